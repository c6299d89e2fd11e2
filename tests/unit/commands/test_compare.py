"""textgan compare: what it prints and writes, and what it refuses."""

import csv
import re
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from tests.helpers.command import run as train
from tests.helpers.runs import made
from textgan_lit import commands
from textgan_lit.run import terminal


@pytest.fixture(autouse=True)
def own_console():
    """The one console keeps the width that it began with, which may be another test's."""
    terminal.console.cache_clear()
    yield
    terminal.console.cache_clear()


def compare(monkeypatch, *overrides) -> None:
    monkeypatch.setattr(sys, "argv", ["textgan", "compare", *map(str, overrides)])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    if ended.value.code:
        raise SystemExit(ended.value.code)


@pytest.fixture
def folder(tmp_path):
    """Rewards whose JSDs are 0.5, 0.51, 0.52 and 0.3, 0.32, 0.31."""
    for start, steps, reward in ((0.5, (0, 1, 2), "constant"), (0.3, (0, 2, 1), "none")):
        for seed, step in enumerate(steps):
            overrides = (f"model/control={reward}", f"seed={seed}")
            made(tmp_path / "sweep" / f"{reward}{seed}", overrides, start + step / 100)
    return tmp_path / "sweep"


@pytest.mark.parametrize("width", [80, 120])
def test_the_tables_fit_a_terminal(width, folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    (folder / "none2" / "closing.json").unlink()
    compare(monkeypatch, folder)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= width
    assert re.search(r" none +2 of 3 +0\.3100 ± 0\.1271 +-0\.1950 ± 0\.0635 ", said)
    assert re.search(r" constant +3 +0\.5100 ± 0\.0248 +– +– +–", said)
    assert "Control: control=constant." in said
    assert re.search(r"none2 +control=none, +seed=2 +not finished: last", said) or width == 80
    assert "Rank correlation" not in said  # of two arms


def test_a_table_with_every_column_fits_80_columns_and_breaks_no_number(monkeypatch, tmp_path, capsys):
    """Long names, a seed without its partner, D*'s share, and enough arms to rank numbers."""
    for k in (1, 2):
        for number, (discriminator, control) in enumerate(product(("conv", "oracle"), ("none", "constant"))):
            overrides = [f"model/discriminator={discriminator}", f"model/control={control}", f"model.schedule.k={k}"]
            for seed in (0, 1, 2)[number % 2 :]:
                jsd = 0.5 - (control == "none") * (0.1 + number / 10 + seed / 50)
                made(tmp_path / f"{k}-{number}-{seed}", (*overrides, f"seed={seed}"), jsd)
    monkeypatch.setenv("COLUMNS", "80")
    compare(monkeypatch, tmp_path)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    for number in (
        r"0\.3800 ± 0\.0497",
        r"-0\.1300 ± 0\.1271",
        r"39 %",
        r"\n 1, none, ",
        r"\(2 pairs\)",
        r"\(\d+ to \d+\)",
    ):
        assert re.search(number, said), number
    assert "Rank correlation" in said


def test_overrides_that_look_like_markup_are_overrides(folder, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "120")
    made(folder / "evil", ("model/control=[red]x[/blue]|_a_", "seed=0"), 0.2)
    compare(monkeypatch, folder)
    assert "[red]x[/blue]|_a_" in capsys.readouterr().out
    compare(monkeypatch, folder, "--out", folder.parent / "evil.md")
    assert r"| \[red]x\[/blue]\|\_a\_ |" in (folder.parent / "evil.md").read_text()


def test_a_terminal_is_shown_the_best_arms_and_a_file_has_all(folder, monkeypatch, capsys):
    for k in range(31):
        made(folder / f"k{k}", ("model/control=none", f"k={k}", "seed=0"), 0.01 * k)
    compare(monkeypatch, folder)
    said = capsys.readouterr().out
    assert "… and 3 more: --out FILE.md has them all." in said
    assert re.search(r"29, none +1 ", said)
    assert not re.search(r"30, none +1 ", said)
    compare(monkeypatch, folder, "--out", folder.parent / "all.md")
    assert (folder.parent / "all.md").read_text().partition("**Rank")[0].count("\n| ") == 2 + 33


def test_every_number_goes_into_a_csv(folder, monkeypatch, capsys):
    out = folder.parent / "numbers.csv"
    compare(monkeypatch, folder, "--out", out)
    rows = list(csv.DictReader(out.open()))
    assert {row["number"] for row in rows} > {"truth/jsd", "truth/nll_oracle", "quality/bleu5_1000", "bound/value"}
    row = next(row for row in rows if (row["number"], row["model/control"]) == ("truth/jsd", "none"))
    assert (row["seeds"], row["started"], row["control"], row["pairs"]) == ("3", "3", "control=constant", "3")
    assert float(row["mean"]) == pytest.approx(0.31)
    assert float(row["high"]) - float(row["low"]) == pytest.approx(2 * 4.302653 * 0.01 / 3**0.5)
    assert float(row["difference"]) == pytest.approx(-0.2)  # −0.20, −0.19, −0.21
    assert float(row["p"]) == pytest.approx(0.000832, abs=1e-6)
    control = next(row for row in rows if (row["number"], row["model/control"]) == ("truth/jsd", "constant"))
    assert (control["control"], control["p"], control["seeds_to_tell"]) == ("", "", "")


def test_the_tables_go_into_markdown(folder, monkeypatch):
    out = folder.parent / "table.md"
    compare(monkeypatch, folder, "--out", out, "--control", "control=none")
    text = out.read_text()
    assert "| control | seeds | true JSD | − control | p | seeds to tell |\n| --- |" in text
    assert "| constant | 3 | 0.5100 ± 0.0248 | +0.2000 ± 0.0248 | 0.0008 | 2 |" in text
    assert text.count("\n\n") >= 2


def test_folders_of_runs_and_of_sweeps_are_read_together(folder, monkeypatch, capsys):
    compare(
        monkeypatch,
        folder,
        folder / ".." / "sweep" / "none0",
        made(folder.parent / "alone", ("model/control=own",), 0.1),
    )
    said = capsys.readouterr().out
    assert re.search(r"own +1 ", said)
    assert re.search(r"none +3 ", said)
    assert "repeats" not in said  # none0 was named twice


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["nowhere"], "nowhere is no folder"),
        (["empty"], "empty holds no run. Give the folder of a sweep"),
        (["there.md"], "there.md is a file. Give the folder of a sweep"),
        (["sweep", "--out", "x.txt"], r"--out x.txt: wanted the name of a .csv or a .md file"),
        (["sweep", "--out", "there.md"], "there.md is there already"),
        (["sweep", "--control", "k=7"], "--control k=7: no arm has these overrides"),
        (["sweep", "--control", "seed=1"], "--control seed=1: no arm has these overrides"),
    ],
)
def test_what_cannot_be_done_is_one_line(overrides, said, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder.parent / "empty").mkdir()
    (folder.parent / "there.md").write_text("mine")
    with pytest.raises(SystemExit, match=said) as ended:
        compare(monkeypatch, *overrides)
    assert "\n" not in ended.value.code
    assert (folder.parent / "there.md").read_text() == "mine"
    assert not list(folder.parent.glob(".*.part"))


def test_torch_is_not_waited_for(folder):
    code = f"import sys; sys.argv = ['textgan', 'compare', {str(folder)!r}]\nfrom textgan_lit import commands\n"
    code += "try:\n    commands.main()\nfinally:\n    assert not {'torch', 'pandas', 'scipy'} & sys.modules.keys()"
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_sweep_that_was_played_is_compared(monkeypatch, tmp_path, capsys):
    overrides = (
        "data=tiny",
        "logger=csv",
        "metrics=none",
        "model/schedule=fixed",
        f"hydra.sweep.dir={tmp_path / 'sweep'}",
    )
    train(monkeypatch, "-m", "debug=smoke", *overrides, "model/control=none,constant", "seed=1,2")
    capsys.readouterr()
    compare(monkeypatch, tmp_path / "sweep")
    said = capsys.readouterr().out
    assert re.search(r" none +2 +0\.\d{4} ± ", said)
    assert "Control: control=constant." in said
