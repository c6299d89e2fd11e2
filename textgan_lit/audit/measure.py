"""Does the gradient point where it is said to? Measured on worlds small enough to know the answer.

Where every sentence can be listed, the gradient of a divergence and of an expected reward are finite sums. The
generator's own objective, called as a run calls it, is averaged over many batches and compared with such a sum.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import one_hot
from torch.nn.utils import clip_grad_norm_

from textgan_lit.data.oracle import Oracle
from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.agreement import Agreement, agreement
from textgan_lit.functional.enumeration import divergence
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.game import Game, silence_dropout
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.objective import Objective
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.model.sampling import sample
from textgan_lit.noise import Noise
from textgan_lit.system import TextGAN
from textgan_lit.types import TextBatch

LIMIT = 4.0  # standard errors that chance is granted: either test fails by itself once in 30,000 audits
ROWS = 256  # batches are averaged in groups, so that no more gradients than these are held
DOUBLINGS = 3  # times that there may be twice as many batches, where noise hides the gradient
GROWTH = 16  # how much larger the batch is where a bias should vanish with it
NEARER = 4.0  # times, at least, that an O(1/B) bias must be smaller then
FALLS = (0.5, 0.25)  # shares of a setting, where a bias should vanish as it falls
RATE = {"likelihood": 0.01, "discriminator": 0.01}  # Adam's: the players shall be neither untaught nor finished
TAUGHT_BATCH = 128


# --- a world that is known in full ------------------------------------------------------------------------------------


class World:
    """All sentences, with their probabilities under P and G, and exact gradients of what can be summed over them."""

    def __init__(self, oracle: Oracle, system: TextGAN):
        self.oracle, self.generator, self.policy = oracle, system.generator, system.policy
        if self.policy.leaves_out or self.generator.likelihood != "exact":
            raise UserError(
                f"The audit compares with log G(x), which {type(self.policy).__name__} and "
                f"{type(self.generator).__name__} do not give for every sentence. Use model/policy=categorical and a "
                "generator that knows its likelihood."
            )
        self.sentences = every_sentence(oracle.vocab, oracle.max_length)
        self.weights = [weight for weight in self.generator.parameters() if weight.requires_grad]
        with torch.no_grad():
            self.p = oracle.logp(self.sentences, Categorical()).double().sum(1).exp()

    def gradient(self, loss: Float[Tensor, ""]) -> Float[Tensor, " P"]:
        """With respect to all of the generator's weights."""
        parts = torch.autograd.grad(loss, self.weights, allow_unused=True, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    def logp(self) -> Float[Tensor, "N T"]:
        return self.generator.logp(self.sentences, self.policy).double()

    def chance(self) -> Float[Tensor, " N"]:
        """Of every sentence under G."""
        return self.logp().detach().sum(1).exp()

    def of_divergence(self, name: str) -> Float[Tensor, " P"]:
        return self.gradient(divergence(name, self.p, self.logp().sum(1).exp()))

    def of_worth(self, worth: Float[Tensor, "N T"]) -> Float[Tensor, " P"]:
        """Of −E_G Σ_t worth_t log G(x_t | x<t), the worth held fixed: the policy gradient theorem."""
        logp = self.logp()
        g = logp.detach().sum(1, keepdim=True).exp()
        return self.gradient(-(g * worth.double() * self.sentences.mask * logp).sum())

    def length(self) -> float:
        return (self.p @ self.sentences.mask.double().sum(1)).item()


@final
class Table(Discriminator):
    """log P/G of every sentence, or of every prefix, as numbers that stay as they are: D* of one moment.

    Soft words are taken multilinearly: Σ_x Π_t soft_t(x_t) s(x), the score expected of independent words. After its
    last word a sentence is followed by eos.
    """

    reads_soft = True

    def __init__(self, oracle: Oracle, generator: Generator, policy: Policy, scores: str):
        super().__init__(oracle.vocab, oracle.max_length)
        self.scores = scores
        vocab, length = oracle.vocab, oracle.max_length
        lists = [torch.arange(vocab.size)] * length
        tokens = torch.cartesian_prod(*lists).view(-1, length)
        ended = torch.zeros_like(tokens) if vocab.eos is None else (tokens == vocab.eos).long()
        mask = ended.cumsum(1) - ended == 0
        batch = TextBatch(tokens.masked_fill(~mask, vocab.pad), mask)
        with torch.no_grad():
            table = (oracle.logp(batch, Categorical()) - generator.logp(batch, policy)).cumsum(1)
        self.register_buffer("table", table if scores == "word" else table[:, -1:])
        self.register_buffer("place", vocab.size ** torch.arange(length - 1, -1, -1))

    def forward(
        self,
        words: Int[Tensor, "B T"] | Float[Tensor, "B T V"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]:
        last = self.vocab.size - 1
        if words.is_floating_point():
            end = one_hot(torch.tensor(last, device=words.device), self.vocab.size).to(words)
            share = torch.ones_like(words[:, 0, :1])
            for word in words.where(mask.unsqueeze(2), end).unbind(1):
                share = (share.unsqueeze(2) * word.unsqueeze(1)).flatten(1)
            found = share @ self.table
        else:
            found = self.table[(words.masked_fill(~mask, last) * self.place).sum(1)]
        return found * mask if self.scores == "word" else found.squeeze(1)


def mixture(world: World) -> Tiny:
    """M = (P + G)/2 as a language model: what a discriminator that learns M should become."""
    tokens, mask = world.sentences
    g = world.chance()
    model = Tiny(len(world.oracle.vocab.words), tokens.shape[1], world.oracle.vocab.has_eos)
    chance = torch.zeros_like(model.table, dtype=torch.double)
    (row,) = model.start(len(tokens))
    before = torch.full_like(row, model.vocab.bos)
    for word, inside in zip(tokens.unbind(1), mask.unbind(1), strict=True):
        _, (row,) = model.advance(before, (row,))
        chance.index_put_((row[inside], word[inside]), ((world.p + g) / 2)[inside], accumulate=True)
        before = word
    model.table = (chance / chance.sum(1, keepdim=True)).log().float()
    return model


def at_best(world: World, discriminator: Discriminator, scores: str) -> Discriminator:
    """D*: a table of log P/G; where D is made of a language model of the mixture, that mixture itself."""
    if not isinstance(getattr(discriminator, "model", None), Generator):
        return Table(world.oracle, world.generator, world.policy, scores)
    best = copy.deepcopy(discriminator)
    best.model = mixture(world)
    return best


def worth(objective: Objective, game: Game, sentences: TextBatch) -> Float[Tensor, "N T"]:
    """What the words of ``sentences`` earn by definition: the sentence's reward, or the discounted sum of the rewards
    of its prefixes from here on."""
    own = objective.worth(game, sentences)
    if own is not None:
        return own
    reward, mask = objective.reward, sentences.mask
    gamma = discount(objective, game.discriminator)
    with torch.no_grad():
        if gamma is None:
            return reward(game.verdict(sentences)).unsqueeze(1) * mask
        earned = reward(game.score(*sentences)) * mask
    ahead = torch.arange(mask.shape[1]) - torch.arange(mask.shape[1]).unsqueeze(1)  # of word t: how far prefix s is
    return earned @ torch.where(ahead >= 0, gamma ** ahead.clamp_min(0).float(), 0.0).t()


def discount(objective: Objective, discriminator: Discriminator) -> float | None:
    """Of later prefixes' rewards; None where the whole sentence has one reward."""
    if hasattr(objective, "credit"):
        return objective.credit.gamma
    return 1.0 if discriminator.scores == "word" else None


# --- one claim, measured ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """One comparison of a mean gradient with an exact one."""

    setting: str
    batches: int
    batch: int
    agreement: Agreement
    variance: float  # trace of the covariance of a single sentence's gradient, in units of |exact gradient|²

    @property
    def unbiased(self) -> bool:
        return max(self.agreement.off, self.agreement.aside) <= LIMIT

    @property
    def hidden(self) -> bool:
        """Whether a gradient of 0 would have looked the same."""
        return self.unbiased and self.agreement.seen <= LIMIT

    def nearer_than(self, other: Measured, times: float = 1.0) -> bool:
        """Clearly so many times nearer to the exact gradient than ``other``, or not to be told from it."""
        here, there = self.agreement, other.agreement
        return self.unbiased or here.distance2 + 2 * here.distance2_se < there.distance2 / times**2


@dataclass(frozen=True)
class Finding:
    """What came of one claim."""

    judge: str  # with which D
    claim: str  # what the gradient is said to descend
    measured: list[Measured]
    passed: bool
    verdict: str
    seconds: float


@dataclass(frozen=True)
class Claim:
    """That ``objective`` descends what ``exact`` is the gradient of."""

    judge: str
    says: str
    objective: Objective
    discriminator: Discriminator | None
    exact: Float[Tensor, " P"]


def examine(claim: Claim, world: World, batches: int, batch: int, seed: int) -> Finding:
    """Measures a claim, with more batches where noise hides everything; where a bias is declared and seen, also whether
    it is the declared one."""
    since, objective = time.monotonic(), claim.objective
    if not claim.exact.norm() > 0:
        raise UserError(f"The exact gradient of {claim.says} is 0 here, so there is nothing to compare with.")
    found = [measure(claim, world, objective, "", batches, batch, seed)]
    for _ in range(DOUBLINGS):
        if objective.null or not found[0].hidden:
            break
        batches *= 2
        found = [measure(claim, world, objective, "", batches, batch, seed)]
    if objective.bias and not objective.null and not found[0].unbiased:
        for setting, changed, n, size in easier(objective, batches, batch):
            found.append(measure(claim, world, changed, setting, n, size, seed))
    passed, verdict = judge(objective, found)
    return Finding(claim.judge, claim.says, found, passed, verdict, time.monotonic() - since)


def easier(objective: Objective, batches: int, batch: int) -> Iterator[tuple[str, Objective, int, int]]:
    """The settings under which a declared bias should be smaller: name, objective, batches, batch."""
    if objective.fades == "batch":
        yield f"B = {batch * GROWTH}", objective, max(batches // 4, 2), batch * GROWTH
    elif objective.fades:
        for share in FALLS:
            colder = copy.deepcopy(objective)
            value = getattr(objective, objective.fades) * share
            setattr(colder, objective.fades, value)
            yield f"{objective.fades} {value:g}", colder, batches, batch


def measure(
    claim: Claim, world: World, objective: Objective, setting: str, batches: int, batch: int, seed: int
) -> Measured:
    drawn, batches = draws(claim, world, objective, batches, batch, seed)
    found = agreement(drawn, claim.exact, share=0.0 if objective.null else 1.0)
    return Measured(setting or f"B = {batch}", batches, batch, found, found.variance * batches * batch / len(drawn))


def draws(
    claim: Claim, world: World, objective: Objective, batches: int, batch: int, seed: int
) -> tuple[Float[Tensor, "N P"], int]:
    """Gradients of ``batches`` fresh batches, rounded up so that they can be averaged in groups of equal size.

    Every batch is met by a copy of the objective that has had two sets of samples: a moving average knows something,
    and of several epochs on one set the first is looked at.
    """
    group = -(-batches // ROWS)
    rows = -(-batches // group)
    objective, rows_of = copy.deepcopy(objective), []
    for turn in range(2 * objective.epochs):
        _loss(claim, world, objective, batch, seed, -1 - turn)
    for row in range(rows):
        mean = torch.zeros(sum(weight.numel() for weight in world.weights))
        for turn in range(row * group, (row + 1) * group):
            mean += world.gradient(_loss(claim, world, copy.deepcopy(objective), batch, seed, turn)) / group
        rows_of.append(mean)
    return torch.stack(rows_of), rows * group


def _loss(claim: Claim, world: World, objective: Objective, batch: int, seed: int, turn: int) -> Float[Tensor, ""]:
    name = (seed, "audit", claim.judge, batch, turn)
    real = real_sentences(world.oracle, batch, *name)
    game = Game(world.generator, claim.discriminator, world.policy, Noise(*name))
    return objective(game, real).loss


def real_sentences(oracle: Oracle, n: int, *name: int | str) -> TextBatch:
    return sample(oracle, Noise(*name, "real").uniform(n, oracle.max_length), Categorical()).batch


# --- the verdict ------------------------------------------------------------------------------------------------------


def judge(objective: Objective, found: list[Measured]) -> tuple[bool, str]:
    """Whether the measured gradients are what the objective declares, and that in words."""
    first, last = found[0], found[-1]
    seen = first.agreement
    if objective.null:
        return _judge_control(first)
    if first.hidden:
        return False, f"UNDECIDED: noise hides the gradient ({seen.along:.2f} ± {seen.along_se:.2f}); more --batches"
    if first.unbiased:
        unseen = f" (too small to be seen here: {objective.bias})" if objective.bias else ""
        return True, f"unbiased within {LIMIT:g} SE{unseen}"
    off = f"{seen.along:.3f} ± {seen.along_se:.3f} along, {seen.aside:.1f} SE aside"
    if not objective.bias:
        return False, f"FAILS: {off}, and no bias is declared"
    if seen.seen <= LIMIT:
        return False, f"FAILS: it does not point along ({off}). Declared: {objective.bias}"
    if not objective.fades:
        return True, f"points along, biased as declared: {objective.bias}"
    if last.nearer_than(first, NEARER if objective.fades == "batch" else 1.0):
        return True, f"biased as declared, less so at {last.setting}: {objective.bias}"
    return False, f"FAILS: at {last.setting} it is not as near as it should be. Declared: {objective.bias}"


def _judge_control(found: Measured) -> tuple[bool, str]:
    """A control's mean gradient is 0, but for the one sentence in a batch that may keep its own reward."""
    seen = found.agreement
    if abs(seen.along) <= LIMIT * seen.along_se + 1 / found.batch and seen.aside <= LIMIT:
        return True, f"null control: zero within {LIMIT:g} SE"
    off = f"{seen.along:.3f} ± {seen.along_se:.3f} along, {seen.aside:.1f} SE aside"
    return False, f"FAILS: a control that teaches ({off})"


# --- all claims of a model --------------------------------------------------------------------------------------------


def audit(
    system: TextGAN, oracle: Oracle, batches: int = 200, batch: int = 32, g_turns: int = 20, d_turns: int = 50
) -> list[Finding]:
    """Holds the objective that moves the generator to its declarations, after a few turns of each player."""
    world = World(oracle, system)
    learn(system, oracle, "likelihood", g_turns)
    if "discriminator" in system.moves:
        learn(system, oracle, "discriminator", d_turns)
        system.generator.meet(system.discriminator)
    system.generator.train()
    silence_dropout(system.generator)
    if system.discriminator is not None:
        system.discriminator.eval()
    return [examine(claim, world, batches, batch, system.seed) for claim in claims(system, world)]


def claims(system: TextGAN, world: World) -> Iterator[Claim]:
    """What the objective says of itself: with no D, or with D at its best and with D as it is."""
    if "generator" not in system.moves and "likelihood" not in system.moves:
        raise UserError("No move of this model changes the generator, so there is no gradient to audit.")
    objective = system.moves.get("generator", system.moves.get("likelihood")).objective
    objective = getattr(objective, "objective", objective)  # what is added to it is no part of its claim
    opponent = system.discriminator if "generator" in system.moves else None
    per = world.length() if objective.per_word else 1.0
    if objective.null:
        of = getattr(objective, "reward", None)
        of = getattr(of, "of", of)
        name = getattr(of, "divergence", "") or "JSD(P‖G)"
        best = None if opponent is None else at_best(world, opponent, _scores(objective, opponent))
        yield Claim("D = D*", f"not {name}", objective, best, world.of_divergence(name))
        return
    if opponent is None:
        yield Claim("no D", objective.divergence, objective, None, world.of_divergence(objective.divergence) / per)
        return
    best = at_best(world, opponent, _scores(objective, opponent))
    rewarded = hasattr(objective, "reward")
    if discount(objective, opponent) is None and objective.divergence:
        yield of_divergence(objective, world, best)
    elif rewarded:
        yield _with_fixed(objective, world, best, "D = D*")
    if rewarded:
        yield _with_fixed(objective, world, opponent, "taught D")


def _scores(objective: Objective, discriminator: Discriminator) -> str:
    return "sentence" if discount(objective, discriminator) is None else "word"


def of_divergence(objective: Objective, world: World, best: Discriminator) -> Claim:
    """That the divergence is descended, with D at its best."""
    exact = world.of_divergence(objective.divergence)
    if hasattr(objective, "reward"):
        exact = exact / _earned(objective, world, best)[1]
    return Claim("D = D*", objective.divergence, objective, best, exact)


def _earned(objective: Objective, world: World, discriminator: Discriminator) -> tuple[Tensor, Tensor]:
    """What the words of every sentence earn, and the unit that the objective's gradient has for it."""
    game = Game(world.generator, discriminator, world.policy, Noise("audit"))
    earned = worth(objective, game, world.sentences).double()
    return earned, objective.unit(earned[:, 0], world.chance())


def _with_fixed(objective: Objective, world: World, discriminator: Discriminator, judge: str) -> Claim:
    """That the expected reward is ascended, with D held as it is."""
    gamma = discount(objective, discriminator)
    says = "−E r(D)" if gamma is None else f"−E Σ r(D), γ={gamma:g}"
    earned, unit = _earned(objective, world, discriminator)
    return Claim(judge, says, objective, discriminator, world.of_worth(earned / unit))


def learn(system: TextGAN, oracle: Oracle, name: str, turns: int) -> None:
    """Some turns of a move, with an optimizer of the audit's own: any player will do that is not as it was born."""
    if name not in system.moves:
        return
    move = system.moves[name]
    objective = copy.deepcopy(move.objective)
    weights = [weight for weight in getattr(system, move.player).parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(weights, lr=RATE[name])
    if name == "discriminator":
        system.discriminator.meet(system.generator)
    for which in ("generator", "discriminator"):
        player = getattr(system, which)
        if player is not None:
            player.train(which == move.player)
    for turn in range(turns):
        real = real_sentences(oracle, TAUGHT_BATCH, system.seed, "taught", name, turn)
        loss = objective(system.game("taught", name, turn), real).loss
        optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(weights, 5.0)
        optimizer.step()
    system.zero_grad()
