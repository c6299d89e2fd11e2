"""textgan report: what it writes, and what it refuses to write over."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.command import smoke
from tests.helpers.runs import made
from textgan_lit import commands
from textgan_lit.report import arms
from textgan_lit.report.page import MARK

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def report(monkeypatch, *overrides) -> None:
    monkeypatch.setattr(sys, "argv", ["textgan", "report", *map(str, overrides)])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    if ended.value.code:
        raise SystemExit(ended.value.code)


def test_a_page_beside_the_run_and_again(monkeypatch, tmp_path, capsys):
    folder = made(tmp_path / "run")
    report(monkeypatch, folder)
    assert MARK in (folder / "report.html").read_text(encoding="utf-8")
    assert str(folder / "report.html") in capsys.readouterr().out
    report(monkeypatch, folder)  # a report is replaced by a report
    assert not list(folder.glob(".*.part"))


def test_nothing_is_written_where_a_link_in_the_run_leads(monkeypatch, tmp_path):
    """Under the names that files on their way once had, and under the page's own."""
    folder, precious = made(tmp_path / "run"), tmp_path / "profile"
    precious.write_text("mine")
    for name in (".report.html.part", ".run.json.part", ".metrics.csv.part"):
        (folder / name).symlink_to(precious)
    report(monkeypatch, folder)
    assert not (folder / "report.html").is_symlink()
    (folder / "report.html").unlink()
    (folder / "report.html").symlink_to(precious)
    report(monkeypatch, folder, "--overwrite")
    assert MARK in (folder / "report.html").read_text(encoding="utf-8")
    assert precious.read_text() == "mine"


@pytest.mark.parametrize("deep", ["1", "night/1"])
def test_what_a_link_in_a_sweep_leads_to_is_no_run_of_it(deep, monkeypatch, tmp_path):
    """Somebody's link could lead to any run of the reader's."""
    sweep, mine = tmp_path / "sweep", made(tmp_path / "mine" / "1")
    made(sweep / "0")
    (sweep / deep.split("/")[0]).symlink_to(mine.parent if "/" in deep else mine)
    report(monkeypatch, sweep)
    assert (sweep / "0" / "report.html").exists()
    assert not (mine / "report.html").exists()
    assert arms.runs(sweep) == [sweep / "0"]


def test_a_file_that_is_no_report_stays(monkeypatch, tmp_path):
    folder, mine = made(tmp_path / "run"), tmp_path / "thesis.html"
    mine.write_text("mine")
    with pytest.raises(SystemExit, match=r"is there, and no report.*--overwrite"):
        report(monkeypatch, folder, "-o", mine)
    assert mine.read_text() == "mine"
    report(monkeypatch, folder, "-o", mine, "--overwrite")
    assert MARK in mine.read_text(encoding="utf-8")


@pytest.mark.slow
def test_figures_instead_of_a_page(monkeypatch, tmp_path, capsys):
    folder = made(tmp_path / "run")
    report(monkeypatch, folder, "--figures", tmp_path / "figures")
    assert "132 files" in capsys.readouterr().out
    assert (tmp_path / "figures" / "truth.pdf").exists()
    assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "holds no run"),
        (["run/closing.json"], "run/closing.json is a file. Give the folder of a run"),
        (["run", "-o", "."], "is a folder"),
        (["run", "-o", "run/metrics.csv/report.html"], "cannot be used"),
    ],
)
def test_what_cannot_be_done_is_one_line(overrides, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit, match=said) as ended:
        report(monkeypatch, *overrides)
    assert ended.value.code.startswith("textgan_lit: ")
    assert "\n" not in ended.value.code


def test_what_was_left_out_is_said(monkeypatch, tmp_path, capsys):
    folder = made(tmp_path / "run")
    with (folder / "evaluations.jsonl").open("a") as file:
        file.write('{"steps/al')
    report(monkeypatch, folder)
    assert "left out: 1 broken line of evaluations.jsonl" in capsys.readouterr().out
    assert "1 broken line of evaluations.jsonl" in (folder / "report.html").read_text(encoding="utf-8")


def test_torch_is_not_waited_for(tmp_path):
    overrides = [str(made(tmp_path / "run")), "-o", str(tmp_path / "report.html")]
    code = f"import sys; sys.argv = ['textgan', 'report', *{overrides!r}]\nfrom textgan_lit import commands\n"
    code += "try:\n    commands.main()\nfinally:\n    assert not {'torch', 'pandas', 'matplotlib'} & sys.modules.keys()"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_run_that_was_played_is_shown(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run")
    report(monkeypatch, tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for title in (
        "Losses",
        "Truth against proxies",
        "Token by token",
        "The discriminator",
        "The frontier",
        "Samples",
        "Cost",
    ):
        assert f"<h2>{title}</h2>" in page


def test_a_sweep_has_its_page_and_each_of_its_runs_its_own(monkeypatch, tmp_path, capsys):
    for number in (0, 1):
        made(tmp_path / "sweep" / str(number), (f"seed={number}",))
    report(monkeypatch, tmp_path / "sweep")
    text = (tmp_path / "sweep" / "report.html").read_text(encoding="utf-8")
    for number in (0, 1):
        assert f'<a href="./{number}/report.html">{number}</a>' in text
        assert MARK in (tmp_path / "sweep" / str(number) / "report.html").read_text(encoding="utf-8")
