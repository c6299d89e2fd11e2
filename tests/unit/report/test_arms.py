"""Which runs are one arm, and what becomes of those that are in no mean."""

import json

import pytest

from tests.helpers.runs import made
from textgan_lit.errors import UserError
from textgan_lit.report import arms


def gather(folder):
    return arms.gather([(path.name, path) for path in arms.runs(folder)])


def closing(folder, **changed):
    columns = json.loads((folder / "closing.json").read_text())
    columns["game"] |= changed
    (folder / "closing.json").write_text(json.dumps(columns))


@pytest.fixture
def folder(tmp_path):
    for number, (reward, seed, jsd) in enumerate([("minimax", 1, 0.3), ("minimax", 2, 0.5), ("sign", 1, 0.2)]):
        made(tmp_path / str(number), ("data=mixture", f"model/reward={reward}", f"seed={seed}"), jsd)
    return tmp_path


def test_an_arm_is_what_differs_in_its_seed_alone_and_the_best_is_first(folder):
    found = gather(folder)
    assert [arm.overrides for arm in found.arms] == [{"model/reward": "sign"}, {"model/reward": "minimax"}]
    assert [list(arm.runs) for arm in found.arms] == [["1"], ["1", "2"]]
    assert [arm.name for arm in found.arms] == ["reward=sign", "reward=minimax"]
    assert (found.keys, found.missing) == (["model/reward", "seed"], [])


def test_overrides_about_the_folder_and_the_log_make_no_arm(folder):
    made(folder / "3", ("data=mixture", "model/reward=sign", "seed=2", "logger=csv", "hydra.x=1", "resume=true"), 0.2)
    assert [len(arm.runs) for arm in gather(folder).arms] == [2, 2]


def test_a_seed_that_was_not_said_is_the_configurations(folder):
    made(folder / "3", ("data=mixture", "model/reward=sign"), 0.2)  # made with seed 7
    assert list(gather(folder).arms[0].runs) == ["1", "7"]


def test_a_run_that_is_there_twice_counts_once(folder):
    made(folder / "3", ("model/reward=sign", "data=mixture", "seed=1"), 0.9)
    found = gather(folder)
    assert (len(found.arms[0].runs), found.arms[0].started) == (1, 2)
    assert [(run.name, run.why) for run in found.missing] == [("3", "repeats 2")]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("killed", "not finished: last evaluated after 250 steps"),
        ("resumed", "not finished: last evaluated after 250 steps"),
        ("fault", "not finished: a fault after step 262"),
        ("early", "not finished: nothing was evaluated yet"),
        ("failed", "failed: no more memory"),
        ("diverged", "diverged: its true JSD is nan"),
        ("endless", "diverged: its true JSD is inf"),
        ("unmeasured", "ended without a true JSD"),
    ],
)
def test_what_is_in_no_mean_is_counted_with_its_reason(what, why, folder):
    run = folder / "1"
    if what in ("killed", "fault", "early", "failed"):
        (run / "closing.json").unlink()
    if what == "resumed":  # longer, beyond its first end
        (run / "run.json").write_text('{"finished": false}')
    if what == "fault":
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "before-fault-step-00000262.ckpt").write_text("")
    if what == "early":
        (run / "evaluations.jsonl").unlink()
    if what == "failed":
        (run / "run.json").write_text('{"finished": false, "failed": "no more memory"}')
    if what in ("diverged", "endless"):
        closing(run, **{"truth/jsd": float("nan" if what == "diverged" else "inf")})
    if what == "unmeasured":
        closing(run, **{"truth/jsd": "?"})
    found = gather(folder)
    assert [(run.name, run.overrides["seed"], run.why) for run in found.missing] == [("1", "2", why)]
    arm = next(arm for arm in found.arms if arm.overrides["model/reward"] == "minimax")
    assert (list(arm.runs), arm.started) == (["1"], 2)


def test_an_arm_of_which_no_run_has_ended_is_not_there_and_its_runs_are_said(folder):
    (folder / "2" / "closing.json").unlink()
    found = gather(folder)
    assert [arm.name for arm in found.arms] == ["reward=minimax"]
    assert [run.overrides for run in found.missing] == [{"model/reward": "sign", "seed": "1"}]


def test_a_run_that_left_nothing_but_its_folder_is_said_and_has_no_say_in_what_differs(folder):
    (folder / "3").mkdir()
    (folder / "3" / "run.json").write_text("{}")
    found = gather(folder)
    assert [(run.name, run.overrides) for run in found.missing] == [("3", {})]
    assert found.keys == ["model/reward", "seed"]


def test_nothing_to_compare_is_refused(tmp_path):
    (made(tmp_path / "0") / "closing.json").unlink()
    with pytest.raises(UserError, match="Of 1 runs none has ended with a true JSD"):
        gather(tmp_path)


@pytest.mark.parametrize(
    ("override", "game", "null"),
    [
        ("model/control=constant", True, "constant"),
        ("model/control=shuffled", True, "shuffled"),
        ("model/reward=sign", True, None),
        ("model=mle", False, "likelihood"),
    ],
)
def test_a_control_is_told_by_its_overrides_and_by_what_was_played(override, game, null, tmp_path):
    made(tmp_path / "0", (override, "seed=1"))
    if not game:
        columns = json.loads((tmp_path / "0" / "closing.json").read_text())
        (tmp_path / "0" / "closing.json").write_text(json.dumps({"likelihood": columns["likelihood"]}))
    made(tmp_path / "1", ("model/reward=minimax", "seed=1"))
    found = gather(tmp_path)
    assert {arm.null for arm in found.arms if arm.overrides.get("model/reward") != "minimax"} == {null}


def test_a_control_is_told_by_what_was_composed(tmp_path):
    """As an experiment may choose it, in no override."""
    run = made(tmp_path / "0")
    (run / ".hydra" / "hydra.yaml").write_text("hydra: {runtime: {choices: {model/control: shuffled}}}")
    assert gather(tmp_path).arms[0].null == "shuffled"
