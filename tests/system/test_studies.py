"""Studies: every arm composes, nothing is played twice, tables are right, and prose is kept."""

import json
import re
import statistics
from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from studies import ledger, numbers, page, picture, play, scorecard, sheet, study
from studies.__main__ import KINDS, main

LIKELIHOOD = "likelihood_best_temperature"


def overrides(run, *more):
    """As Hydra leaves them in a run's folder."""
    (run.folder / ".hydra").mkdir(parents=True, exist_ok=True)
    OmegaConf.save([*run.overrides, "logger=csv", *more], run.folder / ".hydra" / "overrides.yaml")


def finish(run, jsd, best=0.5, courses=((0, 0.0, 0.5),), swept=None):
    """A finished run by hand: its closing table, its course (steps of each player, seconds, JSD), its frontier."""
    overrides(run)
    closing = {"likelihood": {"truth/jsd": best + 0.1}, LIKELIHOOD: {"truth/jsd": best}, "game": {"truth/jsd": jsd}}
    for column in closing.values():
        column |= {"truth/nll_oracle": 9.0, "truth/entropy_g": 6.0, "truth/nll_test": 8.0}
    (run.folder / "closing.json").write_text(json.dumps(closing))
    lines = [
        {
            "steps/pretrain": 7,
            "steps/discriminator": k,
            "steps/generator": k,
            "system/cpu_seconds": 3 + s,
            "truth/jsd": y,
            "bound/value": 0.1,
            "truth/nll_oracle": 9.0,
            "truth/entropy_g": 6.0,
            "truth/nll_test": 8.0,
        }
        for k, s, y in courses
    ]
    (run.folder / "evaluations.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    if swept is not None:
        (run.folder / "frontier.json").write_text(json.dumps(swept))


CONFIG = {
    "question": "Which?",
    "base": ["debug=smoke", "data=tiny"],
    "varies": "its own players",
    "seeds": [1, 2],
    "arms": {"a": [], "b": ["model/control=shuffled"]},
    "picture": {"caption": "JSD", "panels": []},
}


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A study of two arms and two seeds, its page with some prose, and its runs' folder."""
    monkeypatch.setattr(study, "HERE", tmp_path)
    monkeypatch.setattr(study, "RESULTS", tmp_path / "results")
    OmegaConf.save(CONFIG | {"page": str(tmp_path / "small.md")}, tmp_path / "small.yaml")
    (tmp_path / "small.md").write_text(f"# Before\n\n{page.begin_of('small')}\nold\n{page.END}\n\nAfter.\n")
    return SimpleNamespace(study=study.Study.load("small"), runs=tmp_path / "runs", page=tmp_path / "small.md")


@pytest.mark.slow
@pytest.mark.parametrize("name", study.names())
def test_every_arm_composes(name):
    ours = study.Study.load(name)
    assert len({arm.name for arm in ours.arms}) == len(ours.arms)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(study.ROOT / "conf"), version_base="1.3"):
        for entry in {arm.entry: arm.name for arm in ours.arms}.values():
            assert compose("train", list(ours.runs(ours.page, [entry])[0].overrides))


@pytest.mark.parametrize("name", study.names())
def test_every_page_has_a_place_for_its_table_and_every_row_an_arm(name):
    ours = study.Study.load(name)
    text, arms = ours.page.read_text(), [arm.name for arm in ours.arms]
    assert text.count(page.begin_of(name)) == 1 <= text.count(page.END)
    patterns = [row for part in ours.config.get("tables", []) for row in part["rows"]]
    patterns += [row for panel in ours.config["picture"]["panels"] for row in panel["rows"]]
    for pattern in [*patterns, *ours.config.get("ledger", {})]:
        assert any(study.matches(arm, [pattern]) for arm in arms), pattern


def test_the_overview_says_how_many_runs_every_study_has():
    overview = (study.ROOT / "studies" / "README.md").read_text()
    told = re.findall(r"^\| `(\w+)` \| \[.*?\]\(.*?\) \| (\d+)", overview, re.MULTILINE)
    assert {name: int(count) for name, count in told} == {
        name: len(study.Study.load(name).runs(study.ROOT)) for name in study.names()
    }


def test_an_axis_gives_values_or_overrides():
    axes = {"D": {"conv": ["model/discriminator=conv"], "own": []}, "rate": [0.1, 0.2]}
    entry = {"each": axes, "overrides": ["lr={rate}", "seed={rate}", "data.seed={seed}", "w=${oc.env:W}/{seed}"]}
    arms = study.arms({"base": ["x=1"], "seeds": [1, 2], "arms": {"G-{D}-{rate}": entry}})
    assert [arm.name for arm in arms] == ["G-conv-0.1", "G-conv-0.2", "G-own-0.1", "G-own-0.2"]
    assert arms[1].overrides[:3] == ("x=1", "lr=0.2", "seed=0.2")
    assert arms[1].overrides[-1] == "model/discriminator=conv"
    assert arms[0].entry == "G-conv-{rate}"
    told = "python train.py -m x=1 lr=0.1,0.2 seed=0.1,0.2 data.seed=$seed 'w=${oc.env:W}/'$seed''"
    assert arms[2].shown == arms[3].shown == f"for seed in 1 2; do {told}; done"


def test_a_finished_run_is_never_played_again(small, monkeypatch):
    runs = small.study.runs(small.runs)
    finish(runs[0], 0.4)
    overrides(runs[1])  # was interrupted: no closing table
    trained = []
    monkeypatch.setattr(play, "train", trained.append)
    monkeypatch.setattr("sys.argv", ["studies", "small", "--runs", str(small.runs)])
    main()
    assert trained == runs[1:]
    assert [(run.arm, run.seed) for run in runs] == [("a", 1), ("b", 1), ("a", 2), ("b", 2)]


def test_part_of_a_study_can_be_played(small, monkeypatch):
    trained = []
    monkeypatch.setattr(play, "train", trained.append)
    monkeypatch.setattr("sys.argv", ["studies", "small", "--runs", str(small.runs), "--arms", "b", "--limit", "1"])
    main()
    assert [(run.arm, run.seed) for run in trained] == [("b", 1)]


def test_a_finished_run_of_other_overrides_is_refused(small):
    run = small.study.runs(small.runs)[0]
    finish(run, 0.4)
    overrides(run, "hydra.run.dir=x", "overwrite=true")  # change no number
    assert run.finished
    overrides(run, "model.schedule.k=9")
    with pytest.raises(study.StudyError, match=r"model.schedule.k=9.*Move it away"):
        _ = run.finished


@pytest.mark.slow
def test_an_interrupted_run_is_played_anew_and_then_counts(small):
    run = small.study.runs(small.runs)[0]
    overrides(run)
    (run.folder / "evaluations.jsonl").write_text("{}\n")
    assert play.train(run) is None, run.folder.with_name("1.log").read_text()
    assert run.finished
    assert numbers.course(run)[-1]["steps/generator"] == 3
    assert set(numbers.frontier(run)) == {"likelihood", "game"}
    broken = study.Run("a", 3, (*run.overrides, "model.schedule.k=none"), run.folder.with_name("3"))
    assert "model.schedule.k" in play.train(broken)


def test_a_run_that_fails_is_told_and_the_rest_is_played(small, monkeypatch, capsys):
    trained = []
    monkeypatch.setattr(play, "train", lambda run: trained.append(run) or (run.arm == "b" and "its last line") or None)
    monkeypatch.setattr("sys.argv", ["studies", "small", "--runs", str(small.runs)])
    main()
    assert sorted(run.arm for run in trained) == ["a", "a", "b", "b"]
    assert "not played: b, seed 1: its last line" in capsys.readouterr().err


def test_the_page_keeps_its_prose_and_says_what_is_missing(small):
    runs = small.study.runs(small.runs)
    finish(runs[0], 0.4)
    for _ in range(2):
        page.write(small.study, page.generated(small.study, runs, page.tables(small.study, runs)))
    text = small.page.read_text()
    assert text.startswith("# Before\n\n<!-- studies: begin small")
    assert text.endswith("<!-- studies: end -->\n\nAfter.\n")
    assert "old" not in text
    assert text.count("**Not done.** Seeds 1, 2; 1 of 4 runs were played. Not run (how many): `b` (2), `a` (1).") == 1
    assert "python train.py -m debug=smoke data=tiny model/control=shuffled seed=1,2" in text
    for run in runs[1:]:
        finish(run, 0.4)
    assert page.standing(small.study, runs) == "Seeds 1, 2; 4 of 4 runs were played."
    small.page.write_text("no markers")
    with pytest.raises(study.StudyError, match="needs the two lines"):
        page.write(small.study, "x")


def test_numbers_of_runs_that_are_gone_stay_on_the_page(small):
    runs = small.study.runs(small.runs)
    for run in runs:
        finish(run, 0.4)
    page.write(small.study, page.generated(small.study, runs, page.tables(small.study, runs)))
    text, gone = small.page.read_text(), small.study.runs(small.runs / "gone")
    assert "| 0.400 ± 0.000 |" in text
    page.write(small.study, page.generated(small.study, gone, page.tables(small.study, gone)))
    assert small.page.read_text() == text


def test_a_table_has_means_intervals_and_paired_changes(small):
    runs = small.study.runs(small.runs)
    for run, jsd, best in zip(runs, (0.40, 0.6, 0.28, 0.6), (0.50, 0.5, 0.40, 0.4), strict=True):
        finish(run, jsd, best)
    lines = page.tables(small.study, runs).splitlines()
    quantile = 12.7062  # of Student's t with one degree of freedom
    best, game = (quantile * statistics.stdev(pair) / 2**0.5 for pair in ((0.5, 0.4), (0.4, 0.28)))
    assert lines[2] == (
        f"| `a` | 2 | 0.550 ± {best:.3f} | 0.450 ± {best:.3f} | 0.340 ± {game:.3f} | -25 ± 64 % (-20 -30) |"
    )
    assert "+35 ± 191 % (+20 +50)" in lines[3]
    assert numbers.spread([0.4, 0.3], "sd") == "0.350 ± 0.071"
    assert numbers.spread([0.4]) == "0.400"
    assert numbers.spread([]) == "–"


def test_curves_are_compared_at_equal_steps_and_at_equal_seconds(small):
    slow, quick, ended = small.study.runs(small.runs)[:3]
    finish(slow, 0.1, courses=((0, 0.0, 0.5), (10, 100.0, 0.1)))
    finish(quick, 0.3, courses=((0, 0.0, 0.5), (10, 50.0, 0.3)))
    finish(ended, 0.5, courses=((0, 0.0, 0.5), (1, 5.0, 0.5)))  # by its rule
    steps = {"at": {"steps": 15}, "key": "truth/jsd"}  # of both players: halfway between 10 and 20
    assert numbers.number(slow, steps) == pytest.approx(0.5 - 0.75 * 0.4)
    least = {"at": {"seconds": "least"}, "key": "truth/jsd"}
    for run, value in ((slow, 0.3), (quick, 0.3), (ended, 0.5)):
        assert numbers.number(run, least, [slow, quick, ended]) == pytest.approx(value)
    assert numbers.number(quick, {"at": {"steps": 999}, "key": "truth/jsd"}) == pytest.approx(0.3)


def test_tuned_likelihood_is_chosen_on_held_out_sentences_and_judged_on_others(small):
    game, one, two = small.study.runs(small.runs)[:3]
    finish(game, 0.2)
    finish(one, 0.9, best=0.40, swept={"likelihood": [{"truth/jsd": 0.50}, {"truth/jsd": 0.31}]})
    column = {"row": "game", "over": "tuned", "key": "truth/jsd"}
    assert numbers.number(game, column, (), [one, two]) is None  # not all of them were played
    finish(two, 0.9, best=0.25, swept={"likelihood": [{"truth/jsd": 0.50}, {"truth/jsd": 0.32}]})
    assert numbers.number(game, column, (), [one, two]) == pytest.approx(0.2 / 0.40 - 1)


def test_the_ledger_marks_what_is_outside_its_claim_and_what_was_not_run(small):
    rows = {"a": {"nll_oracle": 9.05, "tolerance": 0.1}, "b": {"nll_oracle": 8.7, "tolerance": 0.1, "reason": "short"}}
    small.study.config["ledger"] = rows | {"c": {"nll_oracle": 8.19, "tolerance": 0.1, "source": "Lu et al."}}
    rows = [{"truth/nll_oracle": 9.0, "truth/nll_test": 8.0}, {"truth/nll_oracle": 7.0, "truth/nll_test": 9.0}]
    for run in small.study.runs(small.runs):
        finish(run, 0.4, courses=((0, 0.0, 0.5), (10, 100.0, 0.1)), swept={"game": rows})
    lines = ledger.table(small.study, small.study.runs(small.runs)).splitlines()
    assert lines[2] == (
        "| `a` | 9.050 | 9.000 ± 0.000 | 6.000 ± 0.000 | 8.000 ± 0.000 | 16.000 ± 0.000 | 7 / 10 / 10 | 103 | 1 2 |"
    )
    assert "| 🔴 9.000" in lines[3]
    assert lines[4].startswith("| `c` | 8.190 | not run |")
    assert lines[6:] == ["* `b`: 🔴 Outside 8.60 to 8.80: short.", "* `c`: Published: Lu et al."]


def test_the_scorecard_ranks_proxies_by_temperatures_and_by_models(small):
    """A proxy that only sees the temperature follows the truth along it and says nothing of models."""
    runs = small.study.runs(small.runs)
    runs += small.study.runs(small.runs / "more")
    for place, run in enumerate(sorted(runs, key=lambda run: run.seed)):
        truths = {t: (t - 1) ** 2 + 0.1 * (place % 4) for t in (0.5, 1.0, 1.3, 1.9)}
        rows = [{"temperature": t, "jsd": y, "good": -y, "blind": (t - 1) ** 2} for t, y in truths.items()]
        finish(run, 0.2, swept={"game": rows, "likelihood": rows[:1]})
    for view, good, blind in (("temperatures", 1.0, 1.0), ("models", 1.0, None), ("all", 1.0, 0.5)):
        assert statistics.mean(scorecard.correlations(view, runs, "good", "high", "jsd")) == pytest.approx(good)
        found = scorecard.correlations(view, runs, "blind", "low", "jsd")
        assert found == [] if blind is None else blind <= statistics.mean(found) <= 1
    assert len(scorecard.correlations("all", runs, "good", "high", "jsd", ("a", "none"))) == 2  # a world, two seeds
    assert scorecard.correlations("models", runs[:3], "good", "high", "jsd") == []  # too few to rank
    assert scorecard.correlations("all", runs, "unknown", "low", "jsd") == []


def test_a_proxy_may_have_to_be_near_real_texts_own():
    point = {"lm": 2.0, "lm_real": 1.5, "other": 3.0}
    assert scorecard.badness(point, "lm", "near") == 0.5
    assert scorecard.badness(point | {"lm": 1.0}, "lm", "near") == 0.5
    assert (scorecard.badness(point, "other", "low"), scorecard.badness(point, "other", "high")) == (3.0, -3.0)


DEAR = {"scorecard", "misspecification", "methods", "k_lead"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in DEAR else []) for name in study.names()]
)
def test_every_picture_can_be_drawn(name, tmp_path, monkeypatch):
    monkeypatch.setattr(study, "RESULTS", tmp_path / "none")  # which would be written to
    ours = study.Study.load(name)
    monkeypatch.setitem(vars(ours), "page", tmp_path / "page.md")
    panels = ours.config["picture"]["panels"]
    asked = {panel[axis]: 0.5 for panel in panels if panel["kind"] == "frontiers" for axis in "xy" if axis in panel}
    rows = [{"temperature": 1.0, "truth/nll_oracle": 9.0, "truth/nll_test": 8.0} | asked]
    rows[0]["truth/jsd"] = 0.3
    runs = ours.runs(tmp_path)
    for run in runs:
        finish(run, 0.4, courses=((0, 0.0, 0.5), (10, 100.0, 0.1)), swept={"likelihood": rows, "game": rows})
    for run in runs:
        closing = json.loads((run.folder / "closing.json").read_text())
        for column in closing.values():
            column |= {"truth/kl_pg": 1.0, "truth/kl_gp": 2.0}
        (run.folder / "closing.json").write_text(json.dumps(closing))
    picture.draw(ours, runs)
    assert ours.picture.stat().st_size > 5000
    body = next((kind.table for name, kind in KINDS.items() if name in ours.config), page.tables)(ours, runs)
    assert "Nothing of this was run yet" not in body
    assert "**Not done" not in page.generated(ours, runs, body)


def test_a_sheet_has_every_number_beside_the_published_and_real_ones(small):
    small.study.config["sheet"] = {"arms": ["a", "b"], "published": {"MLE": {"bleu2_9": 0.7}}}
    for run, bleu in zip(small.study.runs(small.runs, ["a"]), (0.5, 0.7), strict=True):
        finish(run, 0.4)
        row = {"truth/nll_test": 2.0, "quality/bleu2_9": bleu, "quality/bleu2_9_se": 0.1, "quality/copied_9_real": 0.25}
        (run.folder / "closing.json").write_text(json.dumps({"likelihood": row | {"quality/copied_9": 0.0}}))
    lines = sheet.table(small.study, small.study.runs(small.runs)).splitlines()
    assert lines[0] == "Seeds: `a` 2, `b` 0."
    assert lines[2] == "**On the test file, as published**"
    assert lines[4] == "|  | MLE, published | `a` | real text |"
    assert lines[6:] == [
        "| nll_test | – | 2.000 ± 0.000 | – |",
        "| bleu2_9 | 0.700 | 0.600 ± 1.271 | – |",
        "| copied_9 | – | 0.000 ± 0.000 | 0.250 |",
    ]


def test_a_sheet_begins_with_the_training_files_own_sentences_where_the_test_file_is_another(small):
    small.study.config["sheet"] = {"arms": ["a"], "published": {}}
    for run, jsd in zip(small.study.runs(small.runs, ["a"]), (0.1, 0.3), strict=True):
        finish(run, 0.4)
        rows = {"game": jsd, "training_file": 0.0, "test_file": 0.45}
        rows = {name: {"quality/jsd_9": value, "quality/jsd_9_real": 0.03} for name, value in rows.items()}
        (run.folder / "across_files.json").write_text(json.dumps(rows))
    lines = sheet.table(small.study, small.study.runs(small.runs)).splitlines()
    assert lines[2] == "**On held-out sentences of the training file**"
    assert lines[4] == "|  | `a` | training file's own | test file's | real text |"
    assert lines[6] == "| jsd_9 | 0.200 ± 1.271 | 0.000 | 0.450 | 0.030 |"


def test_what_is_kept_of_a_run_counts_where_it_was_not_played(small):
    mine = small.study.runs(small.runs, ["a"])
    for run in mine:
        finish(run, 0.4)
    (mine[0].folder / "evaluations.jsonl").write_text('{"steps/pretrain": 3, "truth/jsd": 0.5, "curve/any": [1.0]}\n')
    body = page.tables(small.study, mine)
    play.keep(mine, small.page.parent / "results" / "small")
    elsewhere = small.study.runs(small.page.parent / "nowhere", ["a"])
    assert all(run.finished for run in elsewhere)
    assert numbers.course(elsewhere[0]) == [{"steps/pretrain": 3, "truth/jsd": 0.5, "steps/players": 0}]
    assert page.tables(small.study, elsewhere) == body
    play.keep(elsewhere, small.page.parent / "results" / "small")  # what was kept stays
    overrides(elsewhere[0], "seed=7")
    with pytest.raises(study.StudyError, match="of other overrides"):
        play.missing(elsewhere)
