"""The folder of a run that nobody played: made up, with every file that a report looks at."""

import json
from pathlib import Path

MOMENTS = (100, 150, 200, 250)  # turns/all of the evaluations


def evaluation(turns: int, **more) -> dict:
    late = turns - 100
    row = {"truth/jsd": 0.5 - late / 500, "truth/jsd_se": 0.01, "truth/bayes_accuracy": 0.9 - late / 1000}
    row |= {"bound/value": 0.4 - late / 500, "bound/se": 0.02, "bound/raw": 0.3, "bound/raw_se": 0.02}
    row |= {"bound/accuracy": 0.8, "bound/calibration_error": 0.03}
    row |= {"truth/nll_test": 2.0, "truth/entropy_p": 1.7, "truth/kl_pg_word": 0.3}
    row |= {"truth/nll_oracle": 2.5, "truth/entropy_g": 2.0, "truth/kl_gp_word": 0.5}
    row |= {"turns/likelihood": 100, "turns/discriminator": late * 4 // 5, "turns/generator": late // 5}
    row |= {"turns/all": turns, "tokens/real": turns * 10, "tokens/sampled": late * 10, "system/seconds": turns / 10}
    row |= {"system/cpu_seconds": turns / 20, "curve/prefix_jsd": [0.1, 0.2, 0.5 - late / 500]}
    row |= {"curve/teacher_forced_kl": [0.1, 0.2, 0.3], "curve/free_running_kl": [0.1, 0.3, float("nan")]}
    return row | more


def sampled(turns: int, text: str = "a b") -> dict:
    sample = {"text": text, "log G": -3.0, "D says real": 0.25, "log G by word": [-1.0, -0.5, -1.5]}
    return {"turns/all": turns, "samples": [sample]}


def lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def made(folder: Path, overrides: tuple[str, ...] = ("seed=7",), jsd: float = 0.2) -> Path:
    """A run that has ended, with the true JSD ``jsd`` on the test sentences."""
    (folder / ".hydra").mkdir(parents=True)
    choices = "{runtime: {choices: {model: minimax, data: mixture}}}"
    (folder / ".hydra" / "config.yaml").write_text("seed: 7\nname: ${hydra:runtime.choices.model}\n")
    (folder / ".hydra" / "hydra.yaml").write_text(f"hydra: {choices}\n")
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(list(overrides)))
    lines(folder / "evaluations.jsonl", [evaluation(turns) for turns in MOMENTS])
    lines(folder / "samples.jsonl", [sampled(turns) for turns in MOMENTS])
    rows = [evaluation(turns, **{"game/staleness": 0.001 * turns, "program/k": 4.0}) for turns in MOMENTS]
    keys = [key for key in rows[0] if not key.startswith(("curve/", "truth/", "bound/"))]
    table = [",".join(keys), *(",".join(str(row[key]) for key in keys) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(table) + "\n")
    last = {key: value for key, value in rows[-1].items() if key.startswith(("truth/", "bound/"))}
    columns = {"likelihood": last | {"truth/jsd": 0.5}, "game": {"turns": 30.0} | last | {"truth/jsd": jsd}}
    (folder / "closing.json").write_text(json.dumps(columns))
    tried = [last | {"temperature": temperature, "truth/nll_oracle": 2 + temperature} for temperature in (1.0, 0.5)]
    (folder / "frontier.json").write_text(json.dumps({"likelihood": tried, "game": tried}))
    return folder
