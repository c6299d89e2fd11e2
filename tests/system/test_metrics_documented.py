"""Every logged key stands on docs/metrics.md, and every key there is one that a run logs."""

import csv
import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.helpers.command import evaluations, smoke
from textgan_lit.callbacks.samples import COLUMNS
from textgan_lit.clock import PARTS
from textgan_lit.run import keys

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
WANDB_ONLY = {"samples/table", "trainer/global_step"}  # documented, and logged by a W&B logger alone
# documented, and logged where a model of sentences is at hand: tests/unit/metrics/test_embedding.py
ELSEWHERE = {f"quality/{name}-<model>_<sentences>{end}" for name in ("frechet", "mauve") for end in ("", "_real")}
ELSEWHERE |= {f"quality/feature_bound-<model>_<sentences>{end}" for end in ("", "_se", "_real", "_real_se")}
SMALL = ("data=oracle_lstm", "data.oracle.vocab_size=12", "data.oracle.length=4", "data.oracle.hidden=4")
RUNS = (
    ("model=minimax", "faults.policy=skip", "faults.reward=1e-9"),  # every generator step is at fault
    ("model=seqgan", *SMALL, "model.discriminator.filters=[[1,8],[2,8]]", "model.credit.rollouts=2"),
    ("model=mle", *SMALL),
    ("model=airl", *SMALL, "model.discriminator.critic.filters=[[1,8],[2,8]]"),
    ("model=cot", *SMALL, "model/regulariser=[entropy]"),
    ("model=wgan_gp", *SMALL, "model.discriminator.filters=[[1,8],[2,8]]", "model/objective=scheduled_sampling"),
    ("model=gkd", *SMALL),
    ("model=dgsan", *SMALL, "model/objective=any_order", "model.generator.any_order=true"),
    ("model/schedule=regret", "data=tiny", "model.schedule.rule.max_steps=4"),
    ("model=mle", "data=tiny", "metrics=mauve"),
    ("model=vae", *SMALL),
    ("model=leakgan", *SMALL, "model.discriminator.filters=[[1,8],[2,8]]", "model.credit.rollouts=2"),
    ("model=minimax", "data=text", "data.path=LINES", "data.cache=CACHE"),  # P is unknown; metrics=text of itself
)


def documented() -> dict[str, str]:
    """key or pattern → the x-axis that its section names ("" where it names none)."""
    found = {}
    for section in PAGE.split("\n## ")[1:]:
        axis = re.search(r"^x-axis: `([^`]+)`", section, re.MULTILINE)
        for key in re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE):
            assert key not in found, f"{key} stands on docs/metrics.md twice"
            found[key] = axis[1] if axis else ""
    return found


def matches(key: str, pattern: str) -> bool:
    """``<rule>`` in a pattern stands for one name; a key that has a line of its own needs no pattern."""
    parts = re.split(r"<\w+>", pattern)
    return re.fullmatch(r"[^/]+".join(map(re.escape, parts)), key) is not None


def unexplained(logged: set[str], keys: set[str]) -> set[str]:
    return {key for key in logged if not any(matches(key, pattern) for pattern in keys)}


def unlogged(logged: set[str], keys: set[str]) -> set[str]:
    return {pattern for pattern in keys if not any(matches(key, pattern) for key in logged - (keys - {pattern}))}


def header(folder: Path) -> set[str]:
    with (folder / "metrics.csv").open() as file:
        return set(next(csv.reader(file)))


@pytest.mark.slow
def test_every_logged_key_is_documented_and_every_documented_key_is_logged(monkeypatch, tmp_path):
    keys, logged = set(documented()), set()
    (tmp_path / "lines.txt").write_text("".join(f"a {n % 5} b {n % 3}\n" for n in range(400)))
    places = {"LINES": str(tmp_path / "lines.txt"), "CACHE": str(tmp_path / "cache")}
    for number, chosen in enumerate(RUNS):
        folder = tmp_path / str(number)
        overrides = [re.sub("LINES|CACHE", lambda found: places[found[0]], override) for override in chosen]
        smoke(monkeypatch, folder, *overrides)
        here = header(folder).union(*evaluations(folder))
        closing = json.loads((folder / "closing.json").read_text())
        assert closing.pop("time").keys() <= {"seconds", "cpu_seconds", *PARTS}
        closing.pop("choice", None)
        assert closing.keys() <= {"likelihood", "likelihood_best_temperature", "game"}
        judged = set().union(*closing.values()) - {"temperature", "steps"}
        swept = json.loads((folder / "frontier.json").read_text()) if (folder / "frontier.json").exists() else {}
        judged |= {key for rows in swept.values() for row in rows for key in row} - {"temperature"}
        assert not unexplained(here | judged, keys), f"not in docs/metrics.md: {' '.join(overrides)}"
        logged |= here | judged
    assert unlogged(logged, keys) == WANDB_ONLY | ELSEWHERE, "in docs/metrics.md, but not logged"


def test_the_page_gives_the_x_axes_that_wandb_is_told():
    for key, axis in documented().items():
        declared = [clock for keys, clock in keys.CLOCKS.items() if fnmatchcase(key, keys)]
        assert ([axis] if axis else []) == declared, key


def test_the_page_says_which_way_is_better_and_wandb_keeps_the_best():
    arrows = {"↓": "min", "↑": "max"}
    for key, cells in re.findall(r"^\| `([^`]+)` \|(.+)\|$", PAGE, re.MULTILINE):
        if keys.clock(key) and not key.endswith(("_se", "_real", "/se")):
            assert keys.best(key) == arrows.get(cells.rpartition("|")[2].strip()[:1]), key


def test_the_page_names_the_columns_of_the_samples_table():
    _, columns = PAGE.split("The table's columns:")
    assert re.findall(r"^\* `([^`]+)`:", columns.split("\n## ")[0], re.MULTILINE) == ["step", "sentence", *COLUMNS]


@pytest.mark.parametrize(
    ("logged", "keys", "missing", "extra"),
    [
        ({"a/b", "a/new"}, {"a/b"}, {"a/new"}, set()),
        ({"a/b"}, {"a/b", "a/old"}, set(), {"a/old"}),
        ({"a/valid_x", "a/valid_any"}, {"a/valid_<rule>", "a/valid_any"}, set(), set()),
        ({"a/valid_any"}, {"a/valid_<rule>", "a/valid_any"}, set(), {"a/valid_<rule>"}),
        ({"a/valid_x/y"}, {"a/valid_<rule>"}, {"a/valid_x/y"}, {"a/valid_<rule>"}),
    ],
)
def test_the_comparison_itself_can_fail(logged, keys, missing, extra):
    assert unexplained(logged, keys) == missing
    assert unlogged(logged, keys) == extra
