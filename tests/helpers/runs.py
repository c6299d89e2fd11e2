"""The folder of a run that nobody played: made up, with every file that a report looks at."""

import json
from pathlib import Path

MOMENTS = (100, 150, 200, 250)  # steps/all of the evaluations


def evaluation(steps: int, **more) -> dict:
    late = steps - 100
    row = {"truth/jsd": 0.5 - late / 500, "truth/jsd_se": 0.01, "truth/bayes_accuracy": 0.9 - late / 1000}
    row |= {"bound/value": 0.4 - late / 500, "bound/se": 0.02, "bound/raw": 0.3, "bound/raw_se": 0.02}
    row |= {"bound/accuracy": 0.8, "bound/calibration_error": 0.03}
    row |= {"truth/nll_test": 2.0, "truth/entropy_p": 1.7, "truth/kl_pg_token": 0.3, "truth/reward_correlation": 0.5}
    row |= {"truth/nll_oracle": 2.5, "truth/entropy_g": 2.0, "truth/kl_gp_token": 0.5}
    row |= {"steps/pretrain": 100, "steps/discriminator": late * 4 // 5, "steps/generator": late // 5}
    row |= {"steps/all": steps, "tokens/real": steps * 10, "tokens/sampled": late * 10, "system/seconds": steps / 10}
    row |= {"system/cpu_seconds": steps / 20, "curve/prefix_jsd": [0.1, 0.2, 0.5 - late / 500]}
    row |= {"bound/regret": 0.1, "bound/regret_se": 0.01, "curve/reliability_confidence": [0.1, 0.8]}
    row |= {"curve/reliability_frequency": [0.2, 0.7], "curve/reliability_share": [0.6, 0.4]}
    row |= {"curve/teacher_forced_kl": [0.1, 0.2, 0.3], "curve/free_running_kl": [0.1, 0.3, float("nan")]}
    return row | more


def proxies(steps: int) -> dict:
    """Of every family, as a run with metrics logs them."""
    late, row = steps - 100, {}
    for n in (2, 5):
        row |= {f"quality/bleu{n}_1000": 0.5 + late / 1000, f"quality/self_bleu{n}_1000": 0.6 + late / 2000}
        row |= {f"quality/self_bleu{n}_1000_real": 0.65, f"quality/distinct{n}_1000": 0.1}
        row |= {f"quality/distinct{n}_1000_real": 0.1, f"quality/ngram_jsd{n}_500": 0.2 - late / 1000}
        row |= {f"quality/ngram_jsd{n}_500_real": 0.01, f"quality/ms_jaccard{n}_500": 0.4}
        row |= {f"quality/ms_jaccard{n}_500_real": 0.9, f"quality/stutter{n}": 0.1, f"quality/stutter{n}_real": 0.1}
        row |= {f"quality/repeats{n}": 0.1, f"quality/repeats{n}_real": 0.2}
    for name in ("copied", "copied_span", "fresh_bound", "lm_score", "reverse_lm_score", "frechet", "mauve"):
        row |= {f"quality/{name}_1000": 0.3, f"quality/{name}_1000_real": 0.2, f"quality/{name}_1000_se": 0.01}
    return row


def sampled(steps: int, text: str = "a b") -> dict:
    sample = {"text": text, "log G": -3.0, "D says real": 0.25, "log P/G": -1.0, "nearest training sentence": text}
    sample |= {"edits": 2, "longest copied span": 1, "tokens": [text, text, None]}
    sample |= {"log G by token": [-1.0, -0.5, -1.5], "log P by token": [-1.0, -3.0, float("-inf")]}
    return {"steps/all": steps, "samples": [sample]}


def lines(path: Path, rows: list[dict]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def made(folder: Path, overrides: tuple[str, ...] = ("seed=7",), jsd: float = 0.2) -> Path:
    """A run that has ended, with the true JSD ``jsd`` on the test sentences."""
    (folder / ".hydra").mkdir(parents=True)
    choices = "{runtime: {choices: {model: minimax, data: mixture}}}"
    (folder / ".hydra" / "config.yaml").write_text("seed: 7\nname: ${hydra:runtime.choices.model}\n")
    (folder / ".hydra" / "hydra.yaml").write_text(f"hydra: {choices}\n")
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(list(overrides)))
    lines(folder / "evaluations.jsonl", [evaluation(steps) for steps in MOMENTS])
    lines(folder / "samples.jsonl", [sampled(steps) for steps in MOMENTS])
    told = {
        "schedule/k": 4.0,
        "pretrain/nll": 2.1,
        "pretrain/nll_held_out": 2.2,
        "discriminator/bce": 0.6,
        "generator/reward": 0.1,
    }
    told |= {"generator/entropy": 1.9}
    rows = [evaluation(steps, **told, **proxies(steps)) | {"game/staleness": 0.001 * steps} for steps in MOMENTS]
    keys = [key for key in rows[0] if not key.startswith(("curve/", "truth/", "bound/"))]
    table = [",".join(keys), *(",".join(str(row[key]) for key in keys) for row in rows)]
    (folder / "metrics.csv").write_text("\n".join(table) + "\n")
    last = {key: value for key, value in rows[-1].items() if key.startswith(("truth/", "bound/", "quality/"))}
    columns = {
        "likelihood": last | {"truth/jsd": 0.5},
        "game": {"steps": 30.0} | last | {"truth/jsd": jsd, "truth/nll_oracle": 2 + jsd},
    }
    (folder / "closing.json").write_text(json.dumps(columns))
    seen = {"frontier/bleu5_1000": 0.5, "frontier/self_bleu5_1000": 0.6}
    tried = [last | seen | {"temperature": t, "truth/nll_oracle": 2 + t} for t in (1.0, 0.5)]
    (folder / "frontier.json").write_text(json.dumps({"likelihood": tried, "game": tried}))
    return folder
