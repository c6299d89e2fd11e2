"""Arms beside each other, beside scipy and by hand."""

import json

import numpy as np
import pytest
from scipy import stats

from tests.helpers.runs import evaluation, lines, made
from textgan_lit.errors import UserError
from textgan_lit.report import arms
from textgan_lit.report.comparison import Comparison, View, compare, views

JSDS = {  # reward → by seed
    "constant": {1: 0.50, 2: 0.54, 3: 0.47},
    "none": {1: 0.21, 2: 0.27, 3: 0.20},
    "own": {1: 0.49, 2: 0.55, 4: 0.30},
}
END = View()


def sweep(folder, overrides=()):
    for reward, by_seed in JSDS.items():
        for seed, jsd in by_seed.items():
            made(folder / f"{reward}{seed}", (*overrides, f"model/control={reward}", f"seed={seed}"), jsd)
    return folder


def compared(folder, *control) -> Comparison:
    return compare(arms.gather([(str(path.relative_to(folder)), path) for path in arms.runs(folder)]), control)


def by_name(lines):
    return {line.arm.name.removeprefix("control="): line for line in lines}


def test_tests_are_paired_by_seed_against_the_control_that_was_found(tmp_path):
    found = by_name(compared(sweep(tmp_path)).lines("truth/jsd", END))
    assert list(found) == ["none", "own", "constant"]
    line = found["none"]
    ours, theirs = (list(JSDS[reward].values()) for reward in ("none", "constant"))
    wanted = stats.ttest_rel(ours, theirs)
    assert (line.test.pairs, line.test.p) == (3, pytest.approx(wanted.pvalue))
    assert line.test.difference == pytest.approx(np.mean(ours) - np.mean(theirs))
    assert line.p == pytest.approx(2 * wanted.pvalue)  # Holm: two tests, and this one is the surer
    pairs = found["own"]  # seeds 1 and 2; 3 and 4 have no partner
    assert (pairs.test.pairs, pairs.test.difference) == (2, pytest.approx(0.0))
    assert (found["constant"].control, found["constant"].test) == (None, None)


def test_the_cells_of_a_row(tmp_path):
    (sweep(tmp_path) / "none3" / "closing.json").unlink()
    held = compared(tmp_path)
    found = by_name(held.lines("truth/jsd", END))
    assert held.cells(found["none"])[:2] == ["2 of 3", "0.2400 ± 0.3812"]  # 12.7062 · 0.0424 / √2
    assert held.cells(found["none"])[2] == "-0.2800 ± 0.1271"  # −0.29 and −0.27
    assert held.cells(found["own"])[2].endswith(" (2 pairs)")
    assert held.cells(found["own"])[4] == "> 10,000"
    assert held.cells(found["constant"])[2:] == ["–", "–", "–"]


def test_one_pair_and_none_test_nothing(tmp_path):
    for reward, seed, jsd in (("constant", 1, 0.5), ("none", 1, 0.2), ("own", 2, 0.3)):
        made(tmp_path / reward, (f"model/control={reward}", f"seed={seed}"), jsd)
    held = compared(tmp_path)
    found = by_name(held.lines("truth/jsd", END))
    assert held.cells(found["none"]) == ["1", "0.2000", "-0.3000 (1 pair)", "–", "–"]
    assert held.cells(found["own"]) == ["1", "0.3000", "no seed in common", "–", "–"]


def with_the_best_discriminator(folder, gains):
    """The game with a trained D and with D*, and their controls; ``gains`` are D*'s by seed."""
    for seed, gain in gains.items():
        for discriminator, reward, jsd in (
            ("conv", "none", 0.5 - 0.6 * gain),
            ("oracle", "none", 0.5 - gain),
            ("conv", "constant", 0.5),
            ("oracle", "constant", 0.7),  # of another arm: the trained one is held against its own
        ):
            overrides = (f"model/discriminator={discriminator}", f"model/control={reward}", f"seed={seed}")
            made(folder / f"{discriminator}-{reward}-{seed}", overrides, jsd)
    return compared(folder)


def test_a_trained_discriminator_has_a_share_of_what_the_best_one_gains(tmp_path):
    held = with_the_best_discriminator(tmp_path, {1: 0.20, 2: 0.30, 3: 0.25})
    shares = {line.arm.name: line.share for line in held.lines("truth/jsd", END)}
    assert [name for name, share in shares.items() if share] == ["control=none, discriminator=conv"]
    share = shares["control=none, discriminator=conv"]
    assert (share.value, share.low, share.high) == pytest.approx((0.6, 0.6, 0.6))
    table = held.table(END)
    assert table.columns[-1] == "share of D*'s gain"
    assert {row[0]: row[-1] for row in table.rows}["none, conv"] == "60 % (60 to 60)"
    assert table.columns[0] == "control, discriminator"
    assert [row[-1] for row in table.rows].count("–") == 3
    assert "(arm − control) / (D* − control)" in " ".join(held.notes)


def test_there_is_no_share_of_a_gain_that_is_none(tmp_path):
    held = with_the_best_discriminator(tmp_path, {1: 0.20, 2: -0.30, 3: 0.05})
    assert all(line.share is None for line in held.lines("truth/jsd", END))


def test_where_the_best_discriminator_was_not_played_nobody_speaks_of_shares(tmp_path):
    held = compared(sweep(tmp_path))
    assert held.table(END).columns[-1] == "seeds to tell"
    assert "D*" not in " ".join(held.notes)


def test_a_named_control_is_taken_and_one_that_is_not_there_refused(tmp_path):
    sweep(tmp_path)
    for token in ("model/control=own", "control=own"):
        assert [arm.name for arm in compared(tmp_path, token).controls] == ["control=own"]
    with pytest.raises(UserError, match=r"--control control=onw: no arm .* of: control=none; control=own; control=con"):
        compared(tmp_path, "control=onw")


def test_every_arm_is_held_against_the_control_that_is_nearest(tmp_path):
    for k in (1, 3):
        sweep(tmp_path / f"k{k}", (f"model.schedule.k={k}",))
    found = compared(tmp_path).lines("truth/jsd", END)
    assert {
        line.control.overrides["model.schedule.k"] == line.arm.overrides["model.schedule.k"] for line in found[:4]
    } == {True}
    undecided = compared(tmp_path, "k=3").lines("truth/jsd", END)  # its arms k=3 with three rewards
    assert {line.control.overrides["model/control"] for line in undecided if line.control} == set(JSDS)
    assert all(
        line.control.overrides["model/control"] == line.arm.overrides["model/control"]
        for line in undecided
        if line.control
    )


def test_without_a_control_nothing_is_tested(tmp_path):
    for number, k in enumerate((1, 3)):
        made(tmp_path / str(number), (f"k={k}", "seed=1"))
    found = compared(tmp_path)
    assert found.controls == []
    assert found.table(END).columns == ["k", "seeds", "true JSD"]
    assert "nothing is tested" in " ".join(found.notes)


def played(folder, tokens, jsds, seconds=1.0, steps=10):
    """A run with an evaluation after every ``steps`` generator steps."""
    made(folder, tokens)
    rows = [
        evaluation(100 + steps * n, **{"truth/jsd": jsd, "steps/generator": steps * n, "system/seconds": seconds * n})
        for n, jsd in enumerate(jsds)
    ]
    for row in rows:
        row |= {"tokens/real": 7, "tokens/sampled": 7, "system/cpu_seconds": 3.0}
    lines(folder / "evaluations.jsonl", rows)


def test_views_are_where_the_last_arm_ended_and_values_lie_between_two_evaluations(tmp_path):
    played(tmp_path / "0", ("k=1", "seed=1"), [0.5, 0.4, 0.3])  # 20 generator steps, 120 in all, 2 s
    played(tmp_path / "1", ("k=1", "seed=2"), [0.5, 0.2])  # its game ended early
    played(tmp_path / "2", ("k=3", "seed=1"), [0.6, 0.5, 0.1], seconds=4.0, steps=16)  # 32, 132, 8 s
    found = compared(tmp_path)
    assert found.views[0] == END
    assert [(view.clock, view.where) for view in found.views[1:]] == [
        ("steps/generator", 20),
        ("steps/all", 120),
        ("system/seconds", 2),
    ]  # all have the same tokens and CPU seconds
    seen = {line.arm.name: line.values for line in found.lines("truth/jsd", found.views[1])}
    assert seen["k=1"] == pytest.approx({"1": 0.3, "2": 0.2})  # the second stays what it was
    assert seen["k=3"] == pytest.approx({"1": 0.5 - 0.4 * 4 / 16})
    seen = {line.arm.name: line.values for line in found.lines("truth/jsd", found.views[3])}
    assert seen["k=3"] == pytest.approx({"1": 0.6 - 0.1 * 2 / 4})


def test_of_evaluations_at_one_time_the_last_counts(tmp_path):
    played(tmp_path / "0", ("k=1", "seed=1"), [0.9, 0.5, 0.4], steps=0)
    record = arms.gather([("0", tmp_path / "0")]).arms[0].runs["1"]
    assert View("", "steps/generator", 0).value(record, "truth/jsd") == 0.4
    assert View("", "steps/generator", -1).value(record, "truth/jsd") is None  # nothing was known before the first


def test_an_arm_that_never_moves_on_a_clock_makes_no_view_and_one_arm_alone_none_at_all(tmp_path):
    played(tmp_path / "0", ("k=1", "seed=1"), [0.5, 0.4], steps=0)
    played(tmp_path / "1", ("k=3", "seed=1"), [0.5, 0.4])
    assert "steps/generator" not in [view.clock for view in compared(tmp_path).views]
    played(tmp_path / "2", ("k=3", "seed=2"), [0.5, 0.4, 0.3])
    (alone,) = [arm for arm in compared(tmp_path).found.arms if arm.name == "k=3"]
    assert views([alone]) == [END]


def test_numbers_of_the_table_of_metrics_are_matched_too(tmp_path):
    made(tmp_path / "0", ("k=1", "seed=1"))
    record = arms.gather([("0", tmp_path / "0")]).arms[0].runs["1"]
    # 0.5, 0.55 … at 0, 10 … generator steps
    assert View("", "steps/generator", 5).value(record, "quality/bleu2_1000") == pytest.approx(0.525)


def test_the_scorecard_ranks_runs_and_arms_where_there_are_eight_of_these(tmp_path):
    for k in range(7):
        made(tmp_path / str(k), (f"model.schedule.k={k}", "seed=1"), 0.1 + 0.01 * k)
    assert compared(tmp_path).scores() is None
    made(tmp_path / "7", ("model.schedule.k=7", "seed=1"), 0.3)
    rows = {row[0]: row for row in compared(tmp_path).scores().rows}  # NLL_oracle is 2 + the true JSD
    assert rows["NLL_oracle"][1:] == ["↓", "+1.00", "–", "+1.00", "k=0", "0.0000"]  # eight ranks that all agree


def test_what_is_in_no_mean_is_a_table_and_a_note(tmp_path):
    (sweep(tmp_path) / "own4" / "closing.json").unlink()
    found = compared(tmp_path)
    assert found.missing().rows == [["own4", "control=own, seed=4", "not finished: last evaluated after 250 steps"]]
    assert found.notes[-1].startswith("1 run is in no mean")


def test_a_goal_that_is_measured_at_the_end_alone_is_not_matched_and_that_is_said(tmp_path):
    for name, jsds in (("0", [0.5, 0.4]), ("1", [0.5, 0.4, 0.3])):
        played(tmp_path / name, (f"k={name}", "seed=1"), jsds)
        path = tmp_path / name / "evaluations.jsonl"
        lines(path, [{k: v for k, v in row.items() if k != "truth/jsd"} for row in map(json.loads, path.open())])
    found = compared(tmp_path)
    assert found.views == [END]
    wanted = "Left out are 3 matched views: not every arm has measured its true JSD where clocks meet."
    assert wanted in found.notes


def test_runs_whose_jsd_is_saturated_are_said(tmp_path):
    for reward, jsd in (("constant", 0.69), ("none", 0.2), ("own", 0.70)):
        made(tmp_path / reward, (f"model/control={reward}", "seed=1"), jsd)
    assert any("JSD of 2 of 3 runs is saturated" in note for note in compared(tmp_path).notes)
    assert not any("saturated" in note for note in compare(arms.gather([("one", tmp_path / "none")])).notes)
