"""What the closing table may look at, and when."""

import collections
import json

import pytest
import torch

import textgan_lit.callbacks.closing as closing
import textgan_lit.system as system
from tests.helpers.command import evaluations, smoke
from textgan_lit.build import experiment
from textgan_lit.data.oracle_data import OracleData
from textgan_lit.noise import Noise


def test_every_purpose_has_noise_of_its_own(monkeypatch, tmp_path):
    drawn = collections.Counter()

    class Spy(Noise):
        def __init__(self, seed, *purpose, device):
            super().__init__(seed, *purpose, device=device)
            self.purpose = purpose

        def uniform(self, *shape):
            drawn[self.purpose] += 1
            return super().uniform(*shape)

    monkeypatch.setattr(system, "Noise", Spy)
    log = smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed")
    kinds = {purpose[0] for purpose in drawn}
    assert kinds == {system.OF_STEP, "reading", "validation", "test", "temperature"}
    steps = [purpose for purpose in drawn if purpose[0] == system.OF_STEP]
    sampling = int(log[-1]["steps/discriminator"] + log[-1]["steps/generator"])
    assert len(steps) == sampling  # no step sees another's noise
    assert all(drawn[purpose] == 1 for purpose in steps)
    assert drawn["test", 0] == 3  # the game's generator, pretraining's, and the same at its best temperature
    assert drawn["validation", 0] == sum("truth/jsd" in row for row in log)


def test_the_temperature_is_chosen_on_validation_sentences_and_judged_on_others(monkeypatch, tmp_path):
    swept, judged, data = [], [], []
    measure, truth_of, setup = closing.measure, closing.Models.add_to, OracleData.setup

    def spy_measure(models, real, noise, **more):
        swept.append(real.tokens)
        return measure(models, real, noise, **more)

    def spy_add(self, truth, real, fake):
        judged.append(real.tokens)
        return truth_of(self, truth, real, fake)

    def spy_setup(self, stage=None):
        data.append(self)
        return setup(self, stage)

    monkeypatch.setattr(closing, "measure", spy_measure)
    monkeypatch.setattr(closing.Models, "add_to", spy_add)
    monkeypatch.setattr(OracleData, "setup", spy_setup)
    smoke(monkeypatch, tmp_path / "run", "trainer.limit_val_batches=0")
    valid, test = data[0].sentences("valid").tokens, data[0].sentences("test").tokens
    assert len(swept) == 2 * 2  # temperatures of debug=smoke, for pretraining's generator and the game's
    assert all(tokens.equal(valid) for tokens in swept)
    on_test = [tokens for tokens in judged if tokens.shape == (128, 8)]
    assert on_test
    assert all(any(tokens.equal(part) for part in test.split(128)) for tokens in on_test)


def test_the_columns_have_names_that_stay(monkeypatch, tmp_path):
    shown = []
    monkeypatch.setattr(closing, "show", lambda rows, *_: shown.extend(rows))
    smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed")
    rows = json.loads((tmp_path / "run" / "closing.json").read_text())
    time = rows.pop("time")
    assert time.keys() == {"seconds", "cpu_seconds", "pretraining", "adversarial", "evaluations", "temperatures"}
    assert min(time.values()) > 0
    assert sum(time.values()) == pytest.approx(2 * time["seconds"] + time["cpu_seconds"], abs=0.1)
    assert time["seconds"] > evaluations(tmp_path / "run")[-1]["system/seconds"] + time["temperatures"]
    assert rows.keys() == {"likelihood", "likelihood_best_temperature", "game"}
    assert rows["likelihood_best_temperature"]["temperature"] in (1.0, 0.8)
    assert rows["game"]["steps"] == 3
    best = rows["likelihood_best_temperature"]["temperature"]
    assert shown == ["likelihood", f"likelihood, T = {best:g} (the last one tried)", "game, 3 G steps"]


def test_the_temperature_of_saturated_worlds_is_that_of_the_farthest_horizon():
    """On the published oracle the estimates wander by some .004 around log 2: their least one is chance."""

    def row(jsd, se, horizon=None):
        numbers = {"truth/jsd": jsd, "truth/jsd_se": se, "truth/horizon": horizon}
        return {key: torch.tensor(value) for key, value in numbers.items() if value is not None}

    chance = {1.0: row(0.6885, 0.004, 2.0), 0.8: row(0.6970, 0.004, 3.0)}
    assert closing.best_temperature(chance) == 0.8
    assert closing.best_temperature(chance | {0.6: row(0.6800, 0.004, 1.0)}) == 0.6
    assert closing.best_temperature(chance | {0.6: row(0.3, 0.3)}) == 0.6  # which never gets half way
    whole = {1.0: row(0.6931, 0.0), 0.8: row(0.6925, 0.004)}  # only whole sentences could be compared
    assert closing.best_temperature(whole) == 0.8


def test_the_self_check_calls_no_number_above_log_2_the_truth(capsys):
    closing._self_check({"truth/jsd": 0.7047, "truth/jsd_se": 0.0116, "bound/value": 0.1275, "bound/se": 0.0264})
    said = " ".join(capsys.readouterr().out.split())
    assert "holds (D says JSD ≥ 0.1275 ± 0.0264; the truth is log 2 within its error)" in said


def test_the_frontier_keeps_every_temperature_of_both_generators(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed", "model.optim.generator.lr=1")
    closed = json.loads((tmp_path / "run" / "closing.json").read_text())
    swept = json.loads((tmp_path / "run" / "frontier.json").read_text())
    assert swept.keys() == {"likelihood", "game"}
    assert [[row["temperature"] for row in rows] for rows in swept.values()] == [[1.0, 0.8]] * 2
    assert {len(row.keys() & {"truth/jsd", "truth/nll_oracle", "truth/nll_test"}) for row in swept["game"]} == {3}
    best = min(swept["likelihood"], key=lambda row: row["truth/jsd"])
    assert closed["likelihood_best_temperature"]["temperature"] == best["temperature"]
    cold, warm = swept["game"][1], swept["game"][0]
    assert cold["truth/entropy_g"] < warm["truth/entropy_g"]
    assert abs(warm["truth/nll_test"] - closed["game"]["truth/nll_test"]) < 0.2  # elsewhere judged
    assert abs(warm["truth/nll_test"] - swept["likelihood"][0]["truth/nll_test"]) > 0.5  # and not pretraining's


def test_pretraining_that_is_cut_short_is_judged_by_the_weights_that_the_run_ended_with(monkeypatch, tmp_path):
    ended = {}

    def show(rows, trainer, system):
        ended.update(rows=rows, last=trainer.callback_metrics, best=system.schedule.validated_at)

    monkeypatch.setattr(closing, "show", show)
    overrides = ("model=mle", "data=tiny", "model.schedule.pretrain_steps=300", "model.optim.pretrain.batch_size=64")
    smoke(monkeypatch, tmp_path / "run", *overrides, "trainer.max_steps=100", "callbacks.closing.temperatures=[1.0]")
    assert ended["best"] == 64  # whose weights are others
    row = ended["rows"]["likelihood, cut short after 100 steps"]
    assert float(row["truth/nll_test"]) == pytest.approx(float(ended["last"]["test/truth/nll_test"]), rel=1e-6)


def test_likelihood_alone_has_one_frontier(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "model=mle")
    assert json.loads((tmp_path / "run" / "frontier.json").read_text()).keys() == {"likelihood"}


@pytest.fixture
def text(monkeypatch):
    """The mixture as if it were a text file: nobody knows its truth."""
    known = experiment.data

    def unknown(*given):
        data = known(*given)
        data.setup()  # which is the last that it is asked
        del data.oracle
        return data

    monkeypatch.setattr(experiment, "data", unknown)


def test_without_the_truth_or_a_critic_the_table_has_likelihoods(monkeypatch, tmp_path, text, capsys):
    smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed")
    printed = capsys.readouterr().out
    assert "JSD a sentence, NLL a token" in " ".join(printed.split())
    assert not [unknown for unknown in ("KL", "H(", "Bayes", "horizon") if unknown in printed]
    rows = json.loads((tmp_path / "run" / "closing.json").read_text())
    assert rows.keys() == {"likelihood", "game", "time"}
    assert rows["likelihood"].keys() == {"truth/nll_test", "truth/nll_test_se"}
    assert not (tmp_path / "run" / "frontier.json").exists()


@pytest.mark.slow
def test_text_has_the_whole_table_and_its_temperature_is_the_fresh_critics_choice(monkeypatch, tmp_path, text, capsys):
    overrides = ("model/schedule=fixed", "metrics=text", "callbacks.closing.temperatures=[1.0,0.2]")
    smoke(monkeypatch, tmp_path / "run", *overrides)
    rows = json.loads((tmp_path / "run" / "closing.json").read_text())
    assert rows.pop("time")["networks"] > 0
    swept = json.loads((tmp_path / "run" / "frontier.json").read_text())
    assert rows.keys() == {"likelihood", "likelihood_best_temperature", "game"}
    proxies = {key for key in rows["game"] if key.startswith("quality/")}
    assert {key.split("_")[0] for key in proxies} >= {
        "quality/fresh",
        "quality/lm",
        "quality/reverse",
        "quality/frechet",
    }
    for row in rows.values():
        assert proxies <= row.keys()
    best = min(swept["likelihood"], key=lambda row: row["quality/fresh_bound_256"])
    assert rows["likelihood_best_temperature"]["temperature"] == best["temperature"]
    for row in swept["likelihood"] + swept["game"]:  # every proxy at every temperature
        assert {key.rpartition("_")[0] for key in proxies} - {key.rpartition("_")[0] for key in row} == set()
    for name in ("likelihood", "game"):
        assert 0 < rows[name]["frontier/hypervolume_256"] < 1
        cold, warm = sorted(swept[name], key=lambda row: row["temperature"])
        assert cold["frontier/self_bleu5_256"] > warm["frontier/self_bleu5_256"]
    printed = capsys.readouterr().out
    assert "fresh bound 256" in printed
    assert "hypervolume 256" in printed


@pytest.mark.slow
def test_a_known_truth_chooses_the_temperature_even_beside_a_critic(monkeypatch, tmp_path):
    smoke(monkeypatch, tmp_path / "run", "model/schedule=fixed", "metrics=text")
    rows = json.loads((tmp_path / "run" / "closing.json").read_text())
    assert rows.pop("time")["networks"] > 0
    swept = json.loads((tmp_path / "run" / "frontier.json").read_text())
    best = min(swept["likelihood"], key=lambda row: row["truth/jsd"])
    assert rows["likelihood_best_temperature"]["temperature"] == best["temperature"]
    assert all("quality/fresh_bound_256" in row for row in rows.values())


def test_what_two_temperatures_cover():
    def row(quality, sameness):
        return {"frontier/bleu5_9": torch.tensor(quality), "frontier/self_bleu5_9": torch.tensor(sameness)}

    found = closing.covered({1.0: row(0.25, 0.0), 0.5: row(0.5, 0.5)})
    assert found == {"frontier/hypervolume_9": 0.25 + 0.25 * 0.5}
    assert closing.covered({1.0: {"truth/jsd": torch.tensor(0.1)}}) == {}


@pytest.mark.parametrize("given", ["[]", "[1.0,0]", "[-1]", "warm"])
def test_temperatures_that_are_none_are_refused(monkeypatch, tmp_path, given):
    with pytest.raises(SystemExit, match=r"callbacks\.closing\.temperatures.*wanted"):
        smoke(monkeypatch, tmp_path / "run", f"callbacks.closing.temperatures={given}")
