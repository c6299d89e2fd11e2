"""The dashboard, against what runs really log and what a server was really sent."""

import json
import re
import sys

import pytest
import yaml

from tests.helpers.command import run as train
from tests.helpers.wandb_file import ended, files, history, summary
from tests.helpers.wandb_server import serving
from textgan_lit import commands
from textgan_lit.commands import dashboard
from textgan_lit.commands.dashboard import NAME, STORY, specification

RUNS = (
    ("model=minimax", "faults.policy=skip", "faults.reward=1e-9"),
    ("model/schedule=regret", "data=tiny", "model.schedule.rule.max_steps=4"),
    ("model=mle", "data=tiny", "metrics=text"),
)
SECTIONS = ["Truth against proxies", "Is D ahead?", "Exposure bias", "Quality and diversity", "Samples", "Cost"]


def say(monkeypatch, *overrides) -> int:
    monkeypatch.setattr(sys, "argv", ["textgan", "dashboard", *overrides])
    with pytest.raises(SystemExit) as end:
        commands.main()
    return end.value.code


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    """(keys of rows, keys of summaries), as the runs' own files say; "a/b.min" is the summary's "min" of "a/b"."""
    told, kept = set(), set()
    for number, overrides in enumerate(RUNS):
        folder = tmp_path_factory.mktemp("runs") / str(number)
        with pytest.MonkeyPatch.context() as patch:
            train(patch, "debug=smoke", f"hydra.run.dir={folder}", *overrides)
        (path,) = files(folder)
        found = ended(path)
        told |= {re.sub(r"^samples/table\..*", "samples/table", key) for row in history(found) for key in row}
        for key, value in summary(found).items():
            kept |= {f"{key}.{name}" for name in value} if isinstance(value, dict) else {key}
    return told, kept


@pytest.mark.slow
def test_every_panel_shows_what_runs_log(logged):
    told, kept = logged
    sections = specification("e/p")["sections"]
    assert [section["section"] for section in sections] == SECTIONS
    assert all(section["panels"] for section in sections)
    for panel in (panel for section in sections for panel in section["panels"]):
        there = kept if panel["kind"] == "summary" else told
        assert set(panel.get("keys", ())) <= there, panel
        assert "match" not in panel or any(re.fullmatch(panel["match"], key) for key in told), panel
        assert panel.get("keys") or panel.get("match"), panel
        assert panel["kind"] != "lines" or panel["x"] in told, panel
    assert {column.partition(":")[2] for column in specification("e/p")["columns"][1:]} <= kept


def test_lines_of_a_panel_have_one_clock():
    for panel in (panel for panels in STORY.values() for panel in panels if panel.kind == "lines" and panel.x is None):
        assert {dashboard.clock(key) or "steps/all" for key in panel.keys or (panel.match,)} == {panel.clock}, panel


def test_a_dry_run_prints_it_and_asks_nobody(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    assert say(monkeypatch, "my-team/textgan_lit", "--dry-run") == 0
    assert yaml.safe_load(capsys.readouterr().out) == specification("my-team/textgan_lit")


def test_it_is_built_and_then_updated(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        server.views["mine"] = {"id": "1", "spec": "{}"}
        for _ in range(2):
            assert say(monkeypatch, "e/p") == 0
            assert capsys.readouterr().out.strip().endswith("e/p?nw=textganlit")
    assert list(server.views) == ["mine", dashboard.VIEW]
    view = server.views[dashboard.VIEW]
    assert (view["displayName"], view["id"], view["saved"]) == (NAME, "2", 2)
    drawn = json.loads(view["spec"])["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in drawn] == SECTIONS
    assert [len(section["panels"]) for section in drawn] == [len(panels) for panels in STORY.values()]
    said = json.dumps(drawn)
    for panel in (panel for panels in STORY.values() for panel in panels):
        assert all(key in said for key in panel.keys)
        assert panel.match is None or json.dumps(panel.match)[1:-1] in said


@pytest.mark.parametrize(
    ("overrides", "wanted"),
    [(("p",), "wanted ENTITY/PROJECT"), (("a/b/c",), "wanted ENTITY/PROJECT"), (("e/nowhere",), "e/nowhere: W&B did")],
)
def test_what_cannot_be_saved_is_said_in_one_line(overrides, wanted, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "x" * 40)
    with serving() as server:
        monkeypatch.setenv("WANDB_BASE_URL", server.url)
        said = say(monkeypatch, *overrides)
    assert wanted in said
    assert "\n" not in said
    assert not server.views


def test_a_file_or_a_run_is_no_project(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs" / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "outputs" / "closing.json").write_text("{}")
    for given, what in (("outputs/closing.json", "a file"), ("outputs/run", "a run's folder")):
        for dry in ((), ("--dry-run",)):
            assert f"{given} is {what} here. Wanted W&B's ENTITY/PROJECT" in say(monkeypatch, given, *dry)


def test_without_the_extra_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    assert 'pip install "textgan_lit[dashboard]"' in say(monkeypatch, "e/p")
