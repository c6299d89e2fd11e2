"""What somebody else has written does nothing to the terminal that it is shown on."""

import argparse
import io
import re
import subprocess
import sys

import pytest
from rich.progress import Progress
from rich.table import Table

from tests.helpers.screen import Screen
from textgan_lit.commands import output
from textgan_lit.errors import UserError, harmless
from textgan_lit.run import terminal

EVIL = "\x1b[2J\x1b]8;;http://evil\x1b\\here\x07\x9b31m\u202egnp.exe\r\x08 [link=http://evil]markup[/link] :warning:"
SAFE = r"\x1b[2J\x1b]8;;http://evil\x1b\here\x07\x9b31m\u202egnp.exe\r\x08 [link=http://evil]markup[/link] :warning:"


pytestmark = pytest.mark.usefixtures("colours")


def screen(monkeypatch) -> Screen:
    """A terminal, as standard output and error."""
    seen = Screen()
    monkeypatch.setattr(sys, "stdout", seen)
    monkeypatch.setattr(sys, "stderr", seen)
    return seen


def test_newlines_and_letters_stay():
    kept = "two\nlines\t, a café, 中文, 👩\u200d🚀, עברית, │ ± ≥"
    assert harmless(kept) == kept
    assert harmless(EVIL) == SAFE
    assert harmless("\ud800\u2028\x7f\u2066") == r"\ud800\u2028\x7f\u2066"


def test_an_error_is_one_harmless_line():
    assert str(UserError(f"{EVIL}\nnext")) == rf"{SAFE}\nnext"


def test_whatever_a_command_says_is_harmless(monkeypatch):
    seen = screen(monkeypatch)
    with terminal.guarded():
        print(EVIL.replace("\r", ""))
        print("50 %\r51 %")  # somebody's progress bar
        sys.stderr.writelines([EVIL.replace("\r", "")])
        with pytest.raises(SystemExit):
            argparse.ArgumentParser().parse_args(["\x1b[2J"])
    assert "\x1b" not in seen.getvalue()
    assert seen.getvalue().count(SAFE.replace(r"\r", "")) == 2
    assert "50 %\r51 %" in seen.getvalue()
    assert sys.stdout is sys.stderr is seen


def test_a_refusal_is_harmless_when_python_says_it(monkeypatch):
    screen(monkeypatch)
    with pytest.raises(SystemExit) as left, terminal.guarded():
        sys.exit(f"textgan_lit: {EVIL}")
    assert left.value.code == f"textgan_lit: {SAFE}"
    with pytest.raises(SystemExit) as left, terminal.guarded():
        sys.exit(130)
    assert left.value.code == 130


def test_a_traceback_is_harmless():
    program = "from textgan_lit.run import terminal\nwith terminal.guarded():\n    raise ValueError('\\x1b[2J')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ValueError: \\x1b[2J\n" in done.stderr
    assert "\x1b" not in done.stderr


def test_the_console_has_its_own_colours_and_nobody_elses(monkeypatch):
    seen = screen(monkeypatch)
    table = Table("column", title=EVIL)
    table.add_row(EVIL)
    with terminal.guarded():
        terminal.console().print(f"[bold]{EVIL}", style="green", highlight=False, soft_wrap=True)
        terminal.console().print(table, soft_wrap=True)
    said = seen.getvalue()
    safe = re.sub(r"\\x0[78]|\\r", "", SAFE)  # which rich leaves out
    assert f"\x1b[32m[bold]{safe}" in said
    assert said.count("[link=http://evil]markup[/link] :warning:") == 3
    for sign in ("\x1b[2J", "\x1b]8", "\x07", "\x9b", "\u202e", "\x08"):
        assert sign not in said


def test_a_progress_bar_moves_and_what_is_printed_beside_it_is_harmless(monkeypatch):
    seen = screen(monkeypatch)
    with terminal.guarded(), Progress(console=terminal.console()) as bar:
        bar.advance(bar.add_task("mine", total=2))
        print("beside \x1b]8;;http://evil\x1b\\ it\x9b31m")
        terminal.console().print(EVIL)
    said = seen.getvalue()
    assert "mine" in said
    assert "\x1b[?25l" in said  # rich's own: hides the cursor
    assert "beside" in said
    assert not re.search(r"\\x1b\[(?!2J)", said)  # none of rich's own is written out
    for sign in ("\x1b]8", "\x9b", "\x1b[2J"):
        assert sign not in said


def test_generated_text_is_as_it_is_for_a_program_alone(monkeypatch):
    seen = screen(monkeypatch)
    options = argparse.Namespace(out=None)
    with terminal.guarded(), output.opened(options) as out:
        out.write("\x1b[2J\n")
    assert seen.getvalue() == "\\x1b[2J\n"
    piped = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", piped)
    with terminal.guarded(), output.opened(options) as out:
        out.write("\x1b[2J é \ud800\n")
        print("\x1b[2J")
    piped.seek(0)
    assert piped.read() == "\x1b[2J é ?\n\\x1b[2J\n"


def test_the_log_holds_what_the_terminal_showed_but_not_what_was_repainted(monkeypatch, tmp_path):
    seen, log = screen(monkeypatch), tmp_path / "train.log"
    table = Table("column")
    table.add_row("cell")
    with terminal.guarded(), terminal.logged(log):
        with Progress(console=terminal.console(), transient=True) as bar:
            bar.advance(bar.add_task("mine", total=2))
            terminal.console().print("a green line", style="green")
        terminal.console().print(table)
        terminal.say(EVIL)
        terminal.note("somebody else's line")
    terminal.console().print("after it")
    kept, said = log.read_text(), seen.getvalue()
    for words in ("a green line\n", "│ cell   │\n", re.sub(r"\\x0[78]|\\r", "", SAFE)):
        assert words in kept
        assert words.strip() in re.sub(r"\x1b\[[0-9;]*m", "", said)
    assert "mine" in said
    assert not [words for words in ("mine", "after it", "\x1b", "\n\n") if words in kept]
    assert kept.endswith("somebody else's line\n")
    assert "somebody else's" not in said


def test_a_job_of_a_sweep_keeps_all_and_says_little(monkeypatch, tmp_path, capsys):
    log = tmp_path / "train.log"
    with terminal.logged(log, only=True):
        assert not terminal.watched()
        terminal.console().print("a table")
        terminal.say("its end")
        terminal.console().print("more")
    terminal.console().print("the next")
    assert capsys.readouterr().out == "its end\nthe next\n"
    assert log.read_text() == "a table\nits end\nmore\n"


def test_a_log_that_cannot_be_written_ends_nothing(tmp_path, capsys):
    with terminal.logged(tmp_path):
        terminal.console().print("a line")
    assert capsys.readouterr().out == "a line\n"
