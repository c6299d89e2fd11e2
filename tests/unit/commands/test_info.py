"""What a report of a fault begins with."""

import pytest

from tests.helpers.command import smoke, textgan
from textgan_lit import __version__
from textgan_lit.run import provenance


def test_it_names_what_is_here(monkeypatch, capsys):
    assert textgan(monkeypatch, "info") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"textgan_lit {__version__}"
    assert f"machine: {provenance.machine()}" in lines
    assert any(line.startswith("torch ") for line in lines)


@pytest.mark.slow
def test_a_runs_settings_are_a_fingerprint_that_is_the_same_in_any_folder(monkeypatch, capsys, tmp_path):
    said = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        smoke(monkeypatch, tmp_path / name, "model=mle", "data=tiny", f"seed={seed}")
        capsys.readouterr()
        assert textgan(monkeypatch, "info", str(tmp_path / name)) == 0
        said.append(capsys.readouterr().out.partition("was played with\n")[2])
    assert said[0] == said[1] != said[2]
    assert said[0].splitlines()[-1].startswith("configuration: ")
    assert str(tmp_path) not in said[0]


def test_what_is_no_run_is_refused(monkeypatch, tmp_path):
    assert "says nothing of its versions" in textgan(monkeypatch, "info", str(tmp_path / "nowhere"))
