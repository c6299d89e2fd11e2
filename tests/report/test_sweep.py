"""Runs beside each other."""

import json

import pytest

from tests.runs import evaluation, lines, made
from textgan_lit.errors import UserError
from textgan_lit.report import sections, sweep


@pytest.fixture
def folder(tmp_path):
    for number, (k, seed, jsd) in enumerate([(1, 1, 0.2), (1, 2, 0.4), (3, 1, 0.1), (3, 2, 0.1)]):
        made(tmp_path / str(number), ("data=mixture", f"model.program.k={k}", f"seed={seed}"), jsd)
    (tmp_path / "10").mkdir()
    (tmp_path / "10" / "evaluations.jsonl").write_text("")
    (tmp_path / "multirun.yaml").write_text("")
    return tmp_path


def test_a_sweep_is_told_from_a_run(folder):
    assert [path.name for path in sweep.runs(folder)] == ["0", "1", "2", "3", "10"]
    assert sweep.runs(folder / "0") == []
    assert sweep.runs(folder / "nowhere") == []


def test_seeds_are_one_configuration_with_its_interval(folder):
    report = sweep.of(folder, sweep.runs(folder))
    table = report.sections[0].parts[0]
    assert table.columns == ["model.program.k", "seeds", "true JSD, nats a sentence"]
    assert table.rows == [["3", 2, "0.1000 ± 0.0000"], ["1", 2, "0.3000 ± 1.2706"]]
    assert report.facts == {"runs": "4", "swept": "model.program.k, seed"}
    assert report.left_out == ["10, where nothing was evaluated yet"]
    assert [chart.name for chart in sections.charts(report)] == ["seeds", "sweep", "scorecard"]
    assert [row[0] for row in report.sections[-1].parts[0].rows] == ["2", "3", "0", "1"]


def test_runs_that_have_not_ended_are_left_out_and_none_is_refused(folder):
    (folder / "3" / "closing.json").unlink()
    assert "3, which has no true JSD in a closing.json" in sweep.of(folder, sweep.runs(folder)).left_out
    with pytest.raises(UserError, match="nothing to compare"):
        sweep.of(folder, [folder / "3"])


def test_seeds_are_drawn_as_their_mean_and_interval(folder):
    lines((folder / "0") / "evaluations.jsonl", [evaluation(turns, **{"truth/jsd": 0.3}) for turns in (100, 150)])
    report = sweep.of(folder, sweep.runs(folder))
    drawn = next(chart for chart in sections.charts(report) if chart.name == "seeds")
    points = [value for value in drawn.spec["data"]["values"] if value["series"] == "model.program.k=1"]
    first = points[0]  # 0.3 and 0.5: mean 0.4, t · s / √2 = 12.7062 · 0.1
    assert [first[key] for key in ("generator turns", "value", "low", "high")] == pytest.approx(
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
    report = sweep.of(folder, sweep.runs(folder))
    assert [row[0] for row in report.sections[-1].parts[0].rows] == ["3", "2", "1", "0"]
    assert "Scorecard of the proxies" not in [section.title for section in report.sections]


def test_links_lead_from_the_page_to_the_runs(folder, tmp_path):
    report = sweep.of(folder, sweep.runs(folder), beside=tmp_path / "elsewhere" / "deep")
    (link, *_) = report.sections[-1].parts[0].rows[0]
    assert (link.text, link.path) == ("2", "../../2/report.html")
