"""Numbers that a change of names or places must not change: ``python -m tests.golden [RUN …]`` plays and compares.

``--write`` keeps what came out under tests/golden/. Every digit is compared, which is sound on one kind of processor
with one version of torch alone; so this is a command for who moves code about, and no test. SEQGAN_ORACLE names the
weights of the published oracle; without it that run is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
from pathlib import Path

from tests.helpers.command import evaluations
from tests.helpers.lives import lasting, play, same

KEPT = Path(__file__).parent / "golden"
SMOKE = ("debug=smoke", "callbacks.closing.temperatures=[1.0]")
SEQGAN = (
    "model=seqgan",
    "data=oracle_seqgan",
    "data.train=2000",
    "data.valid=500",
    "data.test=500",
    "check_size=256",
)
SEQGAN += (
    "model.schedule.pretrain_steps=16",
    "model.schedule.discriminator_pretrain_steps=5",
    "model.schedule.adversarial_steps=3",
)
SEQGAN += ("callbacks.closing.temperatures=[1.0]",)
TEXT = ("model=minimax", "data=text", "data.path=TEXT", "data.tokenizer=bpe", "data.vocabulary=200")
TEXT += ("data.bucket=4", "data.train=null")
RUNS = {
    "demo": (),
    "seqgan": (*SEQGAN, "data.weights=ORACLE"),  # 30 steps: 16 of likelihood, 5 + 6 of D, 3 of G
    **{model: (*SMOKE, f"model={model}") for model in ("airl", "relgan", "leakgan", "masked_diffusion", "cot")},
    "text": (*SMOKE, *TEXT, "metrics=none"),
}
NAMES = ("dog", "cat", "fox", "owl", "bee", "crow", "hare", "goat"), ("sees", "hears", "follows", "likes", "fears")


def sentences(path: Path) -> None:
    """Writes 3,000 lines of one to four clauses."""
    draw = random.Random(0)
    clause = lambda: f"the {draw.choice(NAMES[0])} {draw.choice(NAMES[1])} a {draw.choice(NAMES[0])}"  # noqa: E731
    path.write_text("".join(" and ".join(clause() for _ in range(draw.randint(1, 4))) + "\n" for _ in range(3000)))


def played(name: str) -> dict:
    """The closing table and the last evaluation of a run, without its times."""
    with tempfile.TemporaryDirectory() as folder:
        text, run = Path(folder, "sentences.txt"), Path(folder, "run")
        sentences(text)
        given = {"ORACLE": os.environ.get("SEQGAN_ORACLE", ""), "TEXT": str(text)}
        overrides = [
            override.partition("=")[0] + "=" + given.get(override.partition("=")[2], override.partition("=")[2])
            for override in RUNS[name]
        ]
        done = play(run, *overrides, "logger=csv", f"hydra.run.dir={run}", timeout=3600)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        closing = json.loads((run / "closing.json").read_text())
        closing.pop("time", None)
        return {
            "closing": {row: lasting(numbers) for row, numbers in closing.items()},
            "evaluation": lasting(evaluations(run)[-1]),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="*", metavar="RUN", help=", ".join(RUNS))
    parser.add_argument("--write", action="store_true", help="keep the numbers instead of comparing them")
    given = parser.parse_args()
    for name in given.runs or RUNS:
        if name == "seqgan" and not os.environ.get("SEQGAN_ORACLE"):
            print(f"{name}: left out, for SEQGAN_ORACLE names no file")
            continue
        found, path = played(name), KEPT / f"{name}.json"
        if given.write:
            path.write_text(json.dumps(found, indent=1) + "\n")
        else:
            same(json.loads(path.read_text()), json.loads(json.dumps(found)), name)
        print(f"{name}: {'kept' if given.write else 'equal'}", flush=True)


if __name__ == "__main__":
    main()
