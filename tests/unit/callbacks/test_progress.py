"""A phase's line, and what it came to."""

import pytest

from tests.helpers.command import smoke
from textgan_lit.callbacks import progress as callback
from textgan_lit.callbacks.progress import Progress, Standing, came_to, drawn, held_out, written
from textgan_lit.model.schedule import Fixed, Phase, Schedule
from textgan_lit.run import terminal
from textgan_lit.types import Clock

BEGAN = Standing(Phase("pretrain", "pretrain", 0, 10_000), 0, 100.0)


def schedule(*validations: float) -> Schedule:
    """A schedule of an epoch of 100 steps, after these validations."""
    made = Schedule(Fixed(), pretrain_steps=10_000, patience=3, epoch=100)
    for number, nll in enumerate(validations, 1):
        made.report_validation(Clock({"pretrain": 100 * number, "discriminator": 0, "generator": 0}), nll)
    return made


def after(steps: int, seconds: float) -> Standing:
    return Standing(BEGAN.phase._replace(done=steps), steps, BEGAN.seconds + seconds)


def test_a_line_says_steps_their_rate_and_the_time_left_by_the_cap():
    assert BEGAN.since(BEGAN) == "0/10,000"
    assert after(400, 20.0).since(BEGAN) == "400/10,000, 20 steps/s, 8:00 left"
    assert after(400, 20.0).since(BEGAN, max_steps=600) == "400/10,000, 20 steps/s, 10 s left"


def test_a_line_of_a_life_that_took_a_run_up_counts_what_it_played_itself():
    began = Standing(Phase("adversarial", "generator", 400, 500), 2600, 0.0)
    now = Standing(Phase("adversarial", "generator", 450, 500), 2800, 100.0)
    assert now.since(began) == "450/500, 2.0 s a step, 1:40 left"
    assert now.since(began, max_steps=2900) == "450/500, 2.0 s a step, 50 s left"  # of all updates' steps


def test_early_stopping_says_how_soon_pretraining_may_end():
    assert held_out(schedule(), BEGAN, BEGAN) == []
    told = held_out(schedule(2.5, 2.0, 2.25), after(350, 35.0), BEGAN)
    # the best of three validations was the second: two more that are no better end it, after step 500
    assert told == ["held out 2.250 (best 2.000)", "early stop in 15 s if no better"]
    # nothing was validated yet: the first will be the best, and three more end it, after step 400
    assert held_out(schedule(), after(50, 5.0), BEGAN) == ["early stop in 35 s if no better"]
    short = Standing(Phase("pretrain", "pretrain", 350, 400), 350, 135.0)
    assert held_out(schedule(2.5, 2.0, 2.25), short, BEGAN) == ["held out 2.250 (best 2.000)"]  # its cap comes first


def test_what_was_stopped_does_not_read_as_complete():
    done, stopped = (came_to(BEGAN, 140.0, steps, schedule(2.0)) for steps in (10_000, 800))
    assert done == "pretraining: 10,000 steps in 40 s (250 steps/s), held out 2.000 nats a token at best"
    assert stopped.startswith("pretraining: 800 of 10,000 steps in 40 s (20 steps/s)")
    early = came_to(BEGAN, 140.0, 400, schedule(2.0, 2.1, 2.1, 2.1))
    assert early.endswith("(10 steps/s), ended by early stopping, held out 2.000 nats a token at best")
    game = Standing(Phase("adversarial", "generator", 0, 500), 1500, 0.0)
    assert came_to(game, 3.0, 0, schedule(2.0)) == "game: 0 of 500 steps in 3 s"


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_a_line_fits_the_terminal(width, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(width))
    terminal.console.cache_clear()
    said = after(400, 20.0).since(BEGAN), "nll 2.011, " + ", ".join(held_out(schedule(2.5), after(400, 20.0), BEGAN))
    terminal.console().print(drawn(BEGAN.phase, *said))
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == (2 if width < 160 else 1)
    assert max(map(len, rows)) <= width
    assert "400/10,000, 20 steps/s, 8:00 left" in rows[0]
    assert "held out 2.500 (best 2.500)" in rows[-1]
    assert written(BEGAN.phase, *said).startswith("pretraining 400/10,000, 20 steps/s, 8:00 left; nll 2.011, held out")
    terminal.console.cache_clear()


def seconds(monkeypatch, a_step: float) -> None:
    """Every look of a run's progress at the clock takes so long."""
    ticks = iter(range(10**6))
    made = Progress.__init__

    def init(self):
        made(self)
        self.now = lambda: a_step * next(ticks)

    monkeypatch.setattr(Progress, "__init__", init)


MLE = ("model=mle", "model.optim.pretrain.batch_size=32")
TEXT = ("data=text", "model=mle", "metrics=none", "model/generator=lstm", "model.schedule.pretrain_steps=24")


@pytest.fixture
def text(tmp_path):
    file = tmp_path / "lines.txt"
    file.write_text("".join(f"the cat sees a dog {n % 7}\n" for n in range(400)))
    return f"data.path={file}"


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_text_is_shown_at_every_evaluation_and_within_pretraining(monkeypatch, tmp_path, text, capsys):
    seconds(monkeypatch, 10.0)
    smoke(monkeypatch, tmp_path / "run", *TEXT, text, "data.train=256", "data.valid=64", "data.test=64")
    shown = capsys.readouterr().out
    looks = [line for line in shown.splitlines() if line.startswith("pretraining ") and "held out" in line]
    assert looks
    log = (tmp_path / "run" / "train.log").read_text()
    evaluation = log.partition(" pretrain │")[2].splitlines()[1:4]
    assert all(line.startswith("    ") for line in evaluation)
    assert [line.strip() for line in log.partition("Samples:\n")[2].splitlines()[:3]] == [
        line.strip() for line in evaluation
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_a_look_leaves_training_as_it_is(monkeypatch, tmp_path, text):
    quick = smoke(monkeypatch, tmp_path / "quick", *TEXT, text, "model.generator.dropout=0.2")
    seconds(monkeypatch, 10.0)
    slow = smoke(monkeypatch, tmp_path / "slow", *TEXT, text, "model.generator.dropout=0.2")
    for one, other in zip(quick, slow, strict=True):
        assert {key: value for key, value in one.items() if "system" not in key} == {
            key: value for key, value in other.items() if "system" not in key
        }


@pytest.mark.slow
@pytest.mark.parametrize(("data", "reads"), [("tiny", False), ("dyck", True)])
def test_numbers_of_an_oracle_are_no_text(data, reads, monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(callback, "show_samples", lambda texts: shown.append(list(texts)))
    smoke(monkeypatch, tmp_path / "run", *MLE, f"data={data}", "data.train=64", "data.valid=64", "data.test=64")
    assert bool(shown) == reads
