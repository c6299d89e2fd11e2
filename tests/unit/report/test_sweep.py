"""Runs beside each other."""

import json

import pytest

from tests.helpers.runs import evaluation, lines, made
from textgan_lit.errors import UserError
from textgan_lit.report import arms, comparison, sections, sweep


@pytest.fixture
def folder(tmp_path):
    for number, (k, seed, jsd) in enumerate([(1, 1, 0.2), (1, 2, 0.4), (3, 1, 0.1), (3, 2, 0.1)]):
        made(tmp_path / str(number), ("data=mixture", f"model.schedule.k={k}", f"seed={seed}"), jsd)
    (tmp_path / "10").mkdir()
    (tmp_path / "10" / "evaluations.jsonl").write_text("")
    (tmp_path / "multirun.yaml").write_text("")
    return tmp_path


def test_a_sweep_is_told_from_a_run(folder):
    assert [path.name for path in arms.runs(folder)] == ["0", "1", "2", "3", "10"]
    assert arms.runs(folder / "0") == []
    assert arms.runs(folder / "nowhere") == []


def test_seeds_are_one_configuration_with_its_interval(folder):
    report = sweep.of(folder, comparison.of([folder]))
    table = report.sections[0].parts[0]
    assert table.columns == ["k", "seeds", "true JSD, nats a sentence"]  # nothing is a control
    assert table.rows == [["3", "2", "0.1000 ± 0.0000"], ["1", "2", "0.3000 ± 1.2706"]]
    assert report.summary == {
        "Compared": "4 runs of 5, in 2 arms by k, seed.",
        "Best": "k=3: true JSD 0.1000 ± 0.0000 over 2 seeds.",
        "Control": "None was played: nothing here says that it was D that taught.",
    }
    assert report.left_out == ["10 (not finished: nothing was evaluated yet)"]
    assert [chart.name for chart in sections.charts(report)] == ["seeds"]
    assert [row[0] for row in report.sections[-1].parts[0].rows] == ["2", "3", "0", "1"]


def test_runs_that_have_not_ended_are_left_out_and_none_is_refused(folder):
    (folder / "3" / "closing.json").unlink()
    assert "3 (not finished: last evaluated after 250 steps)" in sweep.of(folder, comparison.of([folder])).left_out
    with pytest.raises(UserError, match="nothing to compare"):
        sweep.of(folder, comparison.of([folder / "3"]))


def test_proxies_are_ranked_where_there_are_eight_arms(tmp_path):
    for k in range(8):
        made(tmp_path / str(k), (f"model.schedule.k={k}", "seed=1"), 0.1 + 0.01 * k)
    found = arms.runs(tmp_path)
    assert "scorecard" in [chart.name for chart in sections.charts(sweep.of(tmp_path, comparison.of(found)))]
    assert "scorecard" not in [chart.name for chart in sections.charts(sweep.of(tmp_path, comparison.of(found[:7])))]


def test_seeds_are_drawn_as_their_mean_and_interval(folder):
    lines((folder / "0") / "evaluations.jsonl", [evaluation(steps, **{"truth/jsd": 0.3}) for steps in (100, 150)])
    report = sweep.of(folder, comparison.of([folder]))
    drawn = next(chart for chart in sections.charts(report) if chart.name == "seeds")
    points = [value for value in drawn.spec["data"]["values"] if value["series"] == "k=1"]
    first = points[0]  # 0.3 and 0.5: mean 0.4, t · s / √2 = 12.7062 · 0.1
    assert [first[key] for key in ("generator steps", "value", "low", "high")] == pytest.approx(
        [0, 0.4, -0.87062, 1.67062]
    )
    alone = points[-1]  # one run has gone so far
    assert "low" not in alone


def test_runs_whose_truth_is_not_known_are_compared_by_a_fresh_critic(folder):
    for number in range(4):
        path = folder / str(number) / "closing.json"
        columns = json.loads(path.read_text())
        del columns["game"]["truth/jsd"], columns["likelihood"]["truth/jsd"]
        columns["game"]["quality/fresh_bound_1000"] = (5 - number) / 10
        path.write_text(json.dumps(columns))
    report = sweep.of(folder, comparison.of([folder]))
    assert [row[0] for row in report.sections[-1].parts[0].rows] == ["3", "2", "1", "0"]
    assert "Scorecard of the proxies" not in [section.title for section in report.sections]


def test_links_lead_from_the_page_to_the_runs(folder, tmp_path):
    report = sweep.of(folder, comparison.of([folder]), beside=tmp_path / "elsewhere" / "deep")
    (link, *_) = report.sections[-1].parts[0].rows[0]
    assert (link.text, link.path) == ("2", "../../2/report.html")


def test_arms_stand_beside_their_control_at_the_end_and_at_the_same_cost(folder):
    for number, (seed, jsd) in enumerate([(1, 0.3), (2, 0.6)]):
        made(
            folder / f"c{number}", ("data=mixture", "model.schedule.k=1", "model/control=constant", f"seed={seed}"), jsd
        )
        lines(folder / f"c{number}" / "evaluations.jsonl", [evaluation(steps) for steps in (100, 150)])
    report = sweep.of(folder, comparison.of([folder]))
    table, how, *_ = report.sections[0].parts
    assert table.columns[:3] == ["k", "control", "seeds"]
    assert table.columns[4:] == ["− control", "p", "seeds to tell"]
    rows = {tuple(row[:2]): row[2:] for row in table.rows}
    assert rows["1", "–"] == ["2", "0.3000 ± 1.2706", "-0.1500 ± 0.6353", "0.4097", "5"]  # −0.1 and −0.2; Holm: 2 tests
    assert rows["1", "constant"][2:] == ["–", "–", "–"]
    assert "Control: k=1, control=constant." in how.text
    (matched,) = report.sections[1].parts
    assert (report.sections[1].title, matched.columns[:2]) == ("At the same cost", ["after", "k, control"])
    clocks = ["10 generator steps", "150 steps in all", "2,000 tokens", "15 seconds", "7.5 CPU seconds"]
    assert list(dict.fromkeys(row[0] for row in matched.rows)) == clocks
    assert ["10 generator steps", "1, –", "2", "0.4000 ± 0.0000"] in [row[:4] for row in matched.rows]
