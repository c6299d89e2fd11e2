"""What a report of a fault begins with."""

import json

from tests.helpers.command import textgan
from textgan_lit import __version__
from textgan_lit.run import provenance


def test_it_names_what_is_here(monkeypatch, capsys):
    assert textgan(monkeypatch, "info") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"textgan_lit {__version__}"
    assert f"machine: {provenance.machine()}" in lines
    assert any(line.startswith("torch ") for line in lines)


def test_a_runs_settings_are_a_hash_that_is_the_same_where_they_are(monkeypatch, capsys, tmp_path):
    said = []
    for settings in ({"a": 1, "b": {"path": "/home/me"}}, {"b": {"path": "/home/me"}, "a": 1}, {"a": 2}):
        run = {"versions": {"torch": "9.9"}, "machine": "an abacus", "commit": None, "configuration": settings}
        (tmp_path / "provenance.json").write_text(json.dumps(run))
        assert textgan(monkeypatch, "info", str(tmp_path)) == 0
        said.append(capsys.readouterr().out.partition("was played with\n")[2])
    assert said[0] == said[1] != said[2]
    assert said[0].splitlines()[:2] == ["torch 9.9", "machine: an abacus"]
    assert said[0].splitlines()[2].startswith("configuration: sha256 ")
    assert "/home/me" not in said[0]


def test_what_is_no_run_is_refused(monkeypatch, capsys, tmp_path):
    assert "says nothing of its versions" in textgan(monkeypatch, "info", str(tmp_path / "nowhere"))
