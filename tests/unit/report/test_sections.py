"""Which sections a run's report has, and what stands in them."""

import json

from tests.helpers.runs import made
from textgan_lit.report import sections
from textgan_lit.report.chart import Table
from textgan_lit.report.record import read

ALL = [
    "Before and after",
    "Samples",
    "Truth against proxies",
    "Losses",
    "Likelihoods and their splits",
    "Token by token",
    "The discriminator",
    "The frontier",
    "Quality and diversity",
    "Cost",
    "Where this comes from",
]


def titles(report) -> list[str]:
    return [section.title for section in report.sections]


def test_a_run_with_everything_has_every_section(tmp_path):
    report = sections.of(read(made(tmp_path / "run")))
    assert titles(report) == ALL
    names = [chart.name for chart in sections.charts(report)]
    assert len(set(names)) == len(names) == 33
    assert list(report.summary) == ["Played", "The game", "Control", "Cost"]


def test_sections_whose_numbers_are_not_there_are_not_there(tmp_path):
    folder = made(tmp_path / "run")
    for name in ("closing.json", "frontier.json", "samples.jsonl", "metrics.csv"):
        (folder / name).unlink()
    (folder / "evaluations.jsonl").write_text(json.dumps({"steps/all": 5, "truth/nll_test": 2.0}) + "\n")
    report = sections.of(read(folder))
    assert titles(report) == ["Likelihoods and their splits", "Where this comes from"]
    assert report.summary["State"].startswith("Not finished")


def test_the_closing_table_has_the_lines_that_the_console_prints(tmp_path):
    table = sections.of(read(made(tmp_path / "run"))).sections[0].parts[0]
    assert isinstance(table, Table)
    assert table.columns == ["", "likelihood", "game, 30 G steps", "real text"]
    assert table.rows[0] == ["true JSD ↓", "0.5000 ± 0.0100", "0.2000 ± 0.0100", "–"]


def test_where_the_true_jsd_is_saturated_the_horizon_comes_first(tmp_path):
    folder = made(tmp_path / "run")
    assert not any(chart.name == "horizon" for chart in sections.charts(sections.of(read(folder))))
    rows = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    rows[-1] |= {"truth/jsd": 0.6971, "truth/jsd_se": 0.004, "truth/horizon": 2.5}
    (folder / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = next(one for one in sections.of(read(folder)).sections if one.title == "Truth against proxies")
    assert [chart.name for chart in section.parts] == ["horizon", "truth"]


def test_what_a_d_says_before_its_first_step_is_not_drawn_but_that_of_one_without_steps_is():
    rows = [
        {"steps/discriminator": 0, "bound/value": 0.1, "truth/jsd": 0.2},
        {"steps/discriminator": 3, "bound/value": 0.1},
    ]
    assert sections.taught(rows) == [{"steps/discriminator": 0, "truth/jsd": 0.2}, rows[1]]
    assert sections.taught(rows[:1]) == rows[:1]


def test_cost_adds_up_to_the_whole(tmp_path):
    report = sections.of(read(made(tmp_path / "run")))
    table = report.sections[-2].parts[0]
    assert [row[0] for row in table.rows] == ["likelihood", "game"]
    assert sum(row[1] for row in table.rows) == 250
    assert sum(row[2] for row in table.rows) == 25.0
    assert sum(row[4] for row in table.rows) == 2500 + 1500


def test_of_proxies_the_table_has_what_several_columns_have_with_real_texts_own(tmp_path):
    folder = made(tmp_path / "run")
    columns = json.loads((folder / "closing.json").read_text())
    del columns["likelihood"]["quality/bleu5_1000"]
    (folder / "closing.json").write_text(json.dumps(columns))
    table = sections.of(read(folder)).sections[0].parts[0]
    lines = {row[0]: row[1:] for row in table.rows}
    assert table.columns[-1] == "real text"
    assert lines["A fresh critic's bound on JSD, of 1,000 ↓"] == ["0.3000 ± 0.0100", "0.3000 ± 0.0100", "0.2000"]
    assert "BLEU, n = 2, of 1,000 ↑" in lines
    assert "BLEU, n = 5, of 1,000 ↑" not in lines


def test_where_the_test_file_is_another_the_training_files_sentences_have_a_table(tmp_path):
    folder = made(tmp_path / "run")
    rows = {
        name: {"quality/ngram_jsd1_9": jsd, "quality/ngram_jsd1_9_real": 0.03}
        for name, jsd in (("game", 0.1), ("test_file", 0.45))
    }
    (folder / "across_files.json").write_text(json.dumps(rows))
    _, table = sections.of(read(folder)).sections[0].parts
    assert table.columns == ["", "game", "test file", "real text"]
    assert table.rows == [["n-gram JSD, n = 1, of 9 ↓", "0.1000", "0.4500", "0.0300"]]


def test_losses_are_drawn_over_the_steps_of_their_own_player(tmp_path):
    losses = next(one for one in sections.of(read(made(tmp_path / "run"))).sections if one.title == "Losses")
    clocks = {chart.name: chart.spec["params"][0]["value"] for chart in losses.parts}
    assert clocks == {
        "pretraining": "pretraining steps",
        "d-loss": "discriminator steps",
        "reward": "generator steps",
        "entropy": "generator steps",
    }
    pretraining = losses.parts[0].spec["data"]["values"]
    told = {"NLL of training sentences": 2.1, "NLL of held-out sentences": 2.2}
    assert {value["series"]: value["value"] for value in pretraining} == told
    assert all(chart.controls == () for chart in losses.parts)  # no control moves them to another clock


def test_a_run_ends_with_where_it_comes_from_which_is_never_resolved_here(tmp_path):
    folder = made(tmp_path / "run")
    section = sections.of(read(folder)).sections[-1]
    assert section.parts[0] == {"command": "python train.py seed=7"}
    assert section.parts[1].title == "The configuration, as it was composed"
    assert "name: ${hydra:runtime.choices.model}" in section.parts[1].text
    known = {"commit": "c0ffee", "versions": {"torch": "2.13"}, "machine": "Linux", "configuration": {"seed": 7}}
    (folder / "provenance.json").write_text(json.dumps(known | {"machine": ["Linux"]}))
    facts, config = sections.of(read(folder)).sections[-1].parts
    told = {"command": "python train.py seed=7", "commit": "c0ffee", "versions": "torch 2.13"}
    assert facts == told  # a machine is a text
    assert (config.title, config.text) == ("The configuration, resolved", "seed: 7\n")


def test_a_configuration_too_long_to_be_one_is_left_out(tmp_path):
    folder = made(tmp_path / "run")
    (folder / "provenance.json").write_text(json.dumps({"configuration": {"a": "x" * 300_000}}))
    assert all("x" * 99 not in part.text for part in sections.of(read(folder)).sections[-1].parts[1:])
