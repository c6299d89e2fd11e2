"""What a page says first."""

import json

import pytest

from tests.helpers.runs import made
from textgan_lit.report import comparison, summary
from textgan_lit.report.record import read


def with_closing(folder, **columns):
    found = json.loads((folder / "closing.json").read_text())
    for name, more in columns.items():
        found[name] = (found.get(name) or {}) | more
    (folder / "closing.json").write_text(json.dumps(found))
    return read(folder)


@pytest.fixture
def record(tmp_path):
    """Likelihood's true JSD is 0.5 ± 0.01 on the test sentences, the game's 0.2 ± 0.01."""
    return read(made(tmp_path / "run"))


def test_a_run_says_what_was_played_what_came_of_it_and_its_cost(record):
    assert summary.of_run(record) == {
        "Played": "minimax on mixture, seed 7: 100 steps of likelihood, 120 steps of D, 30 steps of G against D.",
        "The game": "Clearly better: the true JSD went from 0.5000 ± 0.0100 to 0.2000 ± 0.0100 nats a sentence.",
        "Control": (
            "None was given, so nothing here says that it was D that taught. Play the same overrides with "
            "model/control=shuffled, and then: textgan report RUN --control THAT_RUN"
        ),
        "Cost": "12 CPU seconds; 25 s until the last evaluation; 250 steps; 4,000 tokens read and written.",
    }


@pytest.mark.parametrize(
    ("before", "said"),
    [(0.5, "Clearly better"), (0.22, "Not clearly different"), (0.18, "Not clearly different"), (0.1, "Clearly worse")],
)
def test_what_is_called_clear_is_more_than_two_standard_errors(before, said, tmp_path):
    """Of the difference: 2 · √2 · 0.01 = 0.028."""
    record = with_closing(made(tmp_path / "run"), likelihood={"truth/jsd": before})
    assert summary.of_run(record)["The game"].startswith(f"{said}: the true JSD")


def test_two_saturated_jsds_are_not_compared(tmp_path):
    near = {"truth/jsd": 0.69}
    told = summary.of_run(with_closing(made(tmp_path / "run"), likelihood=near, game=near))["The game"]
    assert told.startswith("No way to tell, both are saturated: the true JSD")


def test_the_game_is_held_against_likelihood_at_its_best_temperature(tmp_path):
    best = {"temperature": 0.8, "truth/jsd": 0.15, "truth/jsd_se": 0.01}
    record = with_closing(made(tmp_path / "run"), likelihood_best_temperature=best)
    told = summary.of_run(record)["Likelihood at its best"]
    assert told == "At temperature 0.8 likelihood has 0.1500 ± 0.0100: the game is clearly worse."


def test_a_run_on_text_says_its_bound_its_characters_and_which_generator_it_leaves(tmp_path):
    folder = made(tmp_path / "run")
    seen = {"quality/fresh_bound_1000": 0.3, "quality/fresh_bound_1000_se": 0.01, "truth/nll_test_character": 1.1}
    better = seen | {"quality/fresh_bound_1000": 0.1, "truth/nll_test_character": 1.2}
    choice = {"kept": "likelihood", "difference": -0.01, "se": 0.02, "sentences": 512}
    columns = {"likelihood": seen, "game": better | {"steps": 30}, "choice": choice}
    (folder / "closing.json").write_text(json.dumps(columns))
    told = summary.of_run(read(folder))
    assert told["The game"].startswith(
        "Clearly better: the fresh critic's bound on JSD went from 0.3000 ± 0.0100 to 0.1"
    )
    assert told["Kept"].startswith("Likelihood's generator. On 512 held-out sentences")
    assert told["Held-out text"] == "1.1000 nats a character before the game, 1.2000 after it."


def test_what_is_no_choice_is_not_one(tmp_path):
    for junk in ("game", {"kept": "<b>"}, {"kept": "game", "difference": "0", "se": 1, "sentences": 2}, [1]):
        folder = made(tmp_path / str(len(str(junk))))
        found = json.loads((folder / "closing.json").read_text())
        (folder / "closing.json").write_text(json.dumps(found | {"choice": junk}))
        assert "Kept" not in summary.of_run(read(folder))


def control(folder, seed, jsd):
    folder = made(folder / f"control{seed}", ("model/control=shuffled", f"seed={seed}"), jsd)
    choices = {"model": "minimax", "data": "mixture", "model/control": "shuffled"}
    (folder / ".hydra" / "hydra.yaml").write_text(json.dumps({"hydra": {"runtime": {"choices": choices}}}))
    return read(folder)


def test_a_given_control_is_what_the_game_is_held_against(record, tmp_path):
    one, other = control(tmp_path, 1, 0.45), control(tmp_path, 2, 0.55)
    told = summary.of_run(record, [one])["Control"]
    assert told == "model/control=shuffled ends at 0.4500 ± 0.0100: the game is clearly better."
    assert summary.of_run(record, [one, other])["Control"].startswith("model/control=shuffled ends at 0.5000 ± 0.0500")
    assert summary.of_run(one)["Control"] == "This is one."
    assert "A null control (shuffled)" in summary.of_run(one)["Played"]


def test_a_control_of_another_number_is_no_control(record, tmp_path):
    other = control(tmp_path, 1, 0.45)
    row = other.closing["game"]
    for key in [key for key in row if key.startswith("truth/jsd")]:
        row[key.replace("truth/jsd", "quality/fresh_bound_9")] = row.pop(key)
    said = "The true JSD was not measured on both sides, of as many sentences each."
    assert summary.of_run(record, [other])["Control"] == said


def test_a_run_that_has_not_ended_says_so_and_how_far_it_came(record):
    (record.folder / "closing.json").unlink()
    told = summary.of_run(read(record.folder))
    assert "The game" not in told
    assert told["State"] == (
        "Not finished: there is no closing table yet. On the validation sentences so far: Clearly better: "
        "the true JSD went from 0.5000 ± 0.0100 to 0.2000 ± 0.0100 nats a sentence."
    )


def test_a_sweep_says_its_best_arm_beside_its_control(tmp_path):
    for chosen, jsds in {"constant": (0.50, 0.51, 0.52), "none": (0.30, 0.32, 0.31)}.items():
        for seed, jsd in enumerate(jsds):
            made(tmp_path / f"{chosen}{seed}", (f"model/control={chosen}", f"seed={seed}"), jsd)
    compared = comparison.of([tmp_path])
    records = [record for arm in compared.found.arms for record in arm.runs.values()]
    assert summary.of_sweep(compared, records) == {
        "Compared": "6 runs, in 2 arms by control, seed.",
        "Best": "control=none: true JSD 0.3100 ± 0.0248 over 3 seeds.",
        "Control": "control=constant: the best arm is clearly better (-0.2000 ± 0.0248, p = 0.0008).",
    }
    alone = compared.partners(tmp_path / "none1")
    assert [record.folder.name for record in alone] == ["constant1"]
    assert compared.partners(tmp_path / "constant1") == []
