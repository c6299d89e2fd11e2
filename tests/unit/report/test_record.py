"""What is read of a run's folder, and what is left out of it."""

import json
import os

import pytest

from tests.helpers.runs import MOMENTS, lines, made, sampled
from textgan_lit.errors import UserError
from textgan_lit.report import page, sections
from textgan_lit.report.record import read

JUNK = ["", "{", "[1]", "null", '{"likelihood": 3}', '{"game": {"truth/jsd": "x", "steps": [1]}}', "\x00", "9" * 5000]


def test_a_whole_run_is_read_and_nothing_left_out(tmp_path):
    record = read(made(tmp_path / "run"))
    assert [row["steps/all"] for row in record.evaluations] == list(MOMENTS)
    assert record.evaluations[0]["tokens"] == 1000
    assert record.evaluations[0]["curve/prefix_jsd"] == [0.1, 0.2, 0.5]
    assert record.samples[250][0]["text"] == "a b"
    assert record.rows[-1]["game/staleness"] == 0.25
    assert (record.name, record.overrides, record.left_out) == ("minimax-mixture", ["seed=7"], [])
    assert record.closing["game"]["truth/jsd"] == 0.2
    assert [row["temperature"] for row in record.frontier["game"]] == [1.0, 0.5]


def test_half_lines_of_a_killed_run_are_left_out_and_said(tmp_path):
    folder = made(tmp_path / "run")
    for name in ("evaluations.jsonl", "samples.jsonl"):
        text = (folder / name).read_text()
        (folder / name).write_text(text[: len(text) - 20])
    with (folder / "metrics.csv").open("a") as file:
        file.write("1,2")
    record = read(folder)
    assert [row["steps/all"] for row in record.evaluations] == list(MOMENTS[:-1])
    assert record.samples.keys() == set(MOMENTS[:-1])
    assert record.left_out == [
        "1 broken line of evaluations.jsonl",
        "1 broken row of metrics.csv",
        "1 broken line of samples.jsonl",
    ]


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="is no folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no run"):
        read(tmp_path)
    folder = made(tmp_path / "run")
    (folder / "evaluations.jsonl").write_text('{"steps/al')
    with pytest.raises(UserError, match="Nothing was evaluated yet"):
        read(folder)


@pytest.mark.parametrize(
    "name", ["closing.json", "frontier.json", "samples.jsonl", "metrics.csv", ".hydra/config.yaml"]
)
@pytest.mark.parametrize("junk", JUNK)
def test_files_that_hold_something_else_are_left_out(name, junk, tmp_path):
    folder = made(tmp_path / "run")
    (folder / name).write_text(junk)
    assert sections.of(read(folder)).sections


@pytest.mark.parametrize("value", ["x", None, [1], {}, 10**400, True, float("inf"), float("nan"), -1e308])
def test_a_value_of_any_kind_spoils_nothing_but_its_own_point(value, tmp_path):
    folder = made(tmp_path / "run")
    rows = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    spoilt = {key: value for key in rows[0] if key != "steps/all"}
    with (folder / "evaluations.jsonl").open("a") as file:
        file.write(json.dumps({**spoilt, "steps/all": 300}) + "\n")
    report = sections.of(read(folder))
    assert len(report.moments) == 5
    assert {chart.name for chart in sections.charts(report)} >= {"truth", "nll_test", "prefix-jsd", "accuracy"}


def test_bombs_are_left_out_and_said(tmp_path):
    folder = made(tmp_path / "run")
    doubled = "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 99))
    (folder / ".hydra" / "config.yaml").write_text(f"a0: &a0 [x]\n{doubled}")
    with (folder / "metrics.csv").open("a") as file:
        file.write("9" * 200_000 + ",1\n")  # a field longer than the csv module takes
    with (folder / "samples.jsonl").open("r+") as file:
        file.truncate(8 << 30)
    (folder / "closing.json").unlink()
    (folder / "closing.json").symlink_to(tmp_path / "elsewhere")
    (folder / "frontier.json").unlink()
    os.mkfifo(folder / "frontier.json")
    record = read(folder)
    assert record.left_out == [
        ".hydra/config.yaml, which cannot be read",
        "1 broken row of metrics.csv",
        *(f"{name}, which cannot be read" for name in ("closing.json", "frontier.json", "samples.jsonl")),
    ]
    assert len(record.rows) == 4


def test_half_characters_do_not_end_the_page(tmp_path):
    folder = made(tmp_path / "run")
    lines(folder / "samples.jsonl", [sampled(steps, "a \ud800") for steps in MOMENTS])
    (folder / ".hydra" / "overrides.yaml").write_text(json.dumps(["seed=\ud800"]))
    assert page.page(sections.of(read(folder))).encode()


def test_nothing_is_asked_of_this_machines_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    folder = made(tmp_path / "run")
    (folder / ".hydra" / "config.yaml").write_text("seed: ${oc.env:SECRET}\nname: ${oc.env:SECRET}\n")
    report = sections.of(read(folder))
    assert "hush" not in str(report)
