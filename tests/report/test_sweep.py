"""Runs beside each other."""

import pytest
from scipy import stats

from tests.runs import made
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
    assert [chart.name for chart in sections.charts(report)] == ["sweep"]
    assert [row[0] for row in report.sections[-1].parts[0].rows] == ["2", "3", "0", "1"]


def test_the_table_of_students_t_is_students_t():
    assert pytest.approx([stats.t.ppf(0.975, freedom + 1) for freedom in range(len(sweep.T))], abs=6e-4) == sweep.T


def test_runs_that_have_not_ended_are_left_out_and_none_is_refused(folder):
    (folder / "3" / "closing.json").unlink()
    assert "3, which has no true JSD in a closing.json" in sweep.of(folder, sweep.runs(folder)).left_out
    with pytest.raises(UserError, match="nothing to compare"):
        sweep.of(folder, [folder / "3"])
