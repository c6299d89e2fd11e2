"""What the audit calls wrong, and what it passes. That every model passes it: laws/test_audits.py."""

import copy
from dataclasses import replace

import pytest
import torch

from tests.helpers.audited import descends
from textgan_lit.audit import measure
from textgan_lit.functional.enumeration import divergence
from textgan_lit.functional.policy_gradient import surrogate
from textgan_lit.model import reward
from textgan_lit.model.baseline import BatchMean, LeaveOneOut, MovingAverage, SelfNormalised, Standardised, Zero
from textgan_lit.model.control import Constant, Shuffled
from textgan_lit.model.credit import Credit, MonteCarlo, Terminal
from textgan_lit.model.estimator import score_function
from textgan_lit.model.estimator.score_function import ScoreFunction
from textgan_lit.model.objective import Claim, Loss
from textgan_lit.types import Outcome

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


class Scrambled(Credit):
    """Rollouts' rewards, [positions, sentences], reshaped where they should be transposed."""

    def __init__(self, of):
        self.of = of

    def __call__(self, reward, game, rollout):
        value = self.of(reward, game, rollout)
        later = value[:, :-1].t().contiguous().view(len(value), -1)
        return torch.cat([later, value[:, -1:]], 1) * rollout.mask


class Claims(reward.Reward):
    """A reward that calls itself something else, or pays something else."""

    def __init__(self, of, divergence, sign=1.0):
        self.of, self.divergence, self.sign = of, divergence, sign

    def __call__(self, score):
        return self.sign * self.of(score)


SABOTAGED = {
    "rewards of the wrong sentences": ScoreFunction(reward.Minimax(), Scrambled(MonteCarlo(4)), LeaveOneOut()),
    "another divergence": ScoreFunction(Claims(reward.LogOdds(), "KL(P‖G)"), Terminal(), LeaveOneOut()),
    "a sign flipped": ScoreFunction(Claims(reward.Minimax(), "JSD(P‖G)", -1.0), Terminal(), LeaveOneOut()),
    "half of it": ScoreFunction(Claims(reward.Minimax(), "2·JSD(P‖G)"), Terminal(), LeaveOneOut()),
}


@pytest.mark.parametrize("what", SABOTAGED)
def test_sabotage_is_seen(players, what):
    finding = descends(SABOTAGED[what], players)
    assert not finding.passed
    assert finding.summary.startswith("FAILS"), finding.summary


def cold():
    """ColdGAN's: samples written at T = 0.7, weighted by G over what wrote them."""
    return ScoreFunction(
        reward.Probability(),
        Terminal(),
        LeaveOneOut(),
        clip_range=None,
        importance_sampling_level="sentence",
        sampling_temperature=0.7,
    )


def mali(of):
    """MaliGAN's: importance weights, divided by their mean over the batch."""
    return ScoreFunction(of, Terminal(), SelfNormalised())


def unweighted(logp, before, advantage, mask, clip, ratio):
    return surrogate(logp, advantage, mask), torch.zeros(())


def test_importance_weights_make_up_for_the_temperature_and_their_absence_is_seen(players, monkeypatch):
    assert descends(cold(), players, batches=200).summary == "unbiased within 4 SE"
    monkeypatch.setattr(score_function, "clipped_surrogate", unweighted)
    finding = descends(cold(), players, batches=200)
    assert not finding.passed
    assert finding.summary.startswith("FAILS"), finding.summary
    assert finding.summary.endswith("and no bias is declared")


@pytest.mark.slow
def test_d_in_place_of_its_odds_is_seen_with_weights_normalised_and_without(players):
    wrong = Claims(reward.Probability(), "KL(P‖G)")
    wrong.positive = True
    for of, passed in ((reward.Ratio(), True), (wrong, False)):
        plain = ScoreFunction(of, Terminal(), LeaveOneOut())
        assert [descends(one, players, batches=200).passed for one in (plain, mali(of))] == [passed] * 2


@pytest.mark.slow
def test_a_standardised_gradient_is_held_to_its_length_too(players):
    """In units of the standard deviation of all sentences' rewards."""
    right, half = Claims(reward.LogOdds(), "KL(G‖P)"), Claims(reward.LogOdds(), "2·KL(G‖P)")
    small = {"batches": 1000, "batch": 8}
    found = [descends(ScoreFunction(of, Terminal(), Standardised()), players, **small) for of in (right, half)]
    assert [one.passed for one in found] == [True, False]
    assert "less so at B = 128" in found[0].summary


@pytest.mark.parametrize("credit", [Terminal(), MonteCarlo(2)], ids=lambda credit: type(credit).__name__)
def test_the_same_without_sabotage_passes(players, credit):
    finding = descends(ScoreFunction(reward.Minimax(), credit, LeaveOneOut()), players)
    assert finding.passed
    assert finding.summary == "unbiased within 4 SE"


def test_a_bias_is_seen_declared_or_not(players):
    """Of two sentences each is half of its own baseline."""
    objective = ScoreFunction(reward.Minimax(), Terminal(), BatchMean())
    declared = descends(objective, players, batch=2, batches=150)
    assert declared.passed
    assert [seen.setting for seen in declared.measured] == ["B = 2", "B = 32"]
    assert declared.summary.startswith("biased as declared, less so at B = 32: the batch's mean")
    assert declared.measured[0].agreement.along < 0.7
    objective.claim = replace(objective.claim, bias="")
    assert "no bias is declared" in descends(objective, players, batch=2, batches=150).summary


class Toy(Loss):
    """The exact gradient plus ``temperature`` times another direction, and some noise. Its claim: KL(P‖G)."""

    claim = Claim("KL(P‖G)", "toy", "temperature")

    def __init__(self, enumeration, away, temperature=1.0, least=0.0, sign=1.0):
        super().__init__()
        self.held = (enumeration, away)
        self.temperature, self.least, self.sign = temperature, least, sign

    def __deepcopy__(self, memo):
        twin = Toy(*self.held, self.temperature, self.least, self.sign)
        twin.claim = self.claim
        return twin

    def forward(self, game, batch):
        enumeration, away = self.held
        weight = game.generator.table.weight
        loss = self.sign * divergence("KL(P‖G)", enumeration.p, enumeration.logp().sum(1).exp())
        pull = max(self.temperature, self.least) * away + 0.1 * game.noise.uniform(*weight.shape) - 0.05
        return Outcome((loss + (pull * weight).sum()).float(), {})


@pytest.fixture
def toy(players):
    def make(**settings):
        weight = players.generator.table.weight
        away = torch.randn(weight.shape, generator=torch.Generator().manual_seed(5)) * 0.05
        return Toy(players.enumeration, away, **settings)

    return make


def test_a_bias_that_fades_as_declared_passes(players, toy):
    finding = descends(toy(), players)
    assert finding.passed
    assert [seen.setting for seen in finding.measured] == ["B = 32", "temperature 0.5", "temperature 0.25"]


def test_a_bias_that_stays_fails_where_it_was_to_fade(players, toy):
    finding = descends(toy(least=1.0), players)
    assert finding.summary.startswith("FAILS: at temperature 0.25 it is not as near")


def test_a_bias_that_need_not_fade_must_still_point_along(players, toy):
    direct, reversed_ = toy(), toy(sign=-1.0)
    direct.claim = reversed_.claim = Claim("KL(P‖G)", "toy")
    assert descends(direct, players).summary == "points along, biased as declared: toy"
    assert descends(reversed_, players).summary.startswith("FAILS: it does not point along")


def test_noise_that_hides_everything_is_no_pass(players):
    loud = Claims(lambda score: 50 + reward.Minimax()(score), "JSD(P‖G)")
    objective = ScoreFunction(loud, Terminal(), Zero())
    finding = descends(objective, players, batches=20, batch=2)
    assert not finding.passed
    assert finding.measured[0].batches == 160  # three times twice as many did not help
    assert finding.summary.startswith("UNDECIDED")


@pytest.mark.parametrize("kind", [Constant(), Shuffled(reward.Minimax())], ids=["constant", "shuffled"])
def test_a_control_that_does_not_teach_passes(players, kind):
    for baseline in (BatchMean(), LeaveOneOut()):
        finding = descends(ScoreFunction(kind, Terminal(), baseline), players)
        assert finding.passed
        assert finding.summary.startswith("null control")
        assert abs(finding.measured[0].agreement.distance2) < 0.1  # from nothing, not from the divergence


def test_a_control_that_teaches_fails(players):
    objective = ScoreFunction(reward.Minimax(), Terminal(), LeaveOneOut())
    objective.null = True
    assert descends(objective, players).summary.startswith("FAILS: a control that teaches")


def test_batches_in_groups_have_the_same_mean_and_variance(players, monkeypatch):
    objective = ScoreFunction(reward.Minimax(), Terminal(), LeaveOneOut())
    (single,) = descends(objective, players, batches=100).measured
    monkeypatch.setattr(measure, "ROWS", 40)
    (grouped,) = descends(objective, players, batches=100).measured
    assert (single.batches, grouped.batches) == (100, 102)  # 34 groups of 3
    assert grouped.agreement.along == pytest.approx(single.agreement.along, abs=0.02)
    assert grouped.variance == pytest.approx(single.variance, rel=0.3)


def test_a_batch_twice_as_large_says_the_same_of_a_sentence(players):
    objective = ScoreFunction(reward.Minimax(), Terminal(), Zero())
    (small,), (large,) = (descends(objective, players, batch=n).measured for n in (16, 64))
    assert large.variance == pytest.approx(small.variance, rel=0.3)


class Counting(Loss):
    """Says how it was called."""

    num_iterations, calls = 3, []

    def __init__(self):
        super().__init__()
        self.step = 0

    def forward(self, game, batch):
        self.calls.append((self.step % self.num_iterations, self.step))
        self.step += 1
        return Outcome(game.generator.table.weight.square().sum(), {})


def test_it_looks_at_the_first_epoch_of_an_objective_that_remembers(players):
    Counting.calls.clear()
    descends(Counting(), players, batches=4)
    assert Counting.calls[6:] == [(0, 6)] * 4  # after two sets of three epochs, always the first of the third


def test_a_moving_average_is_audited_with_something_in_memory(players, monkeypatch):
    seen = []
    forward = MovingAverage.forward
    monkeypatch.setattr(
        MovingAverage, "forward", lambda self, *given: seen.append(self.weight.item()) or forward(self, *given)
    )
    assert descends(ScoreFunction(reward.Minimax(), Terminal(), MovingAverage()), players).passed
    assert seen[2:] == pytest.approx([0.19] * 100)  # 1 − 0.9²


def test_the_players_are_left_as_they_were(players):
    before = copy.deepcopy(players.generator.state_dict())
    objective = ScoreFunction(reward.Minimax(), Terminal(), MovingAverage())
    descends(objective, players)
    assert all(value.equal(before[name]) for name, value in players.generator.state_dict().items())
    assert objective.baseline.weight == 0
