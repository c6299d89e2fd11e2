"""Worlds whose every sentence is listed, so that an expectation is a sum and a test an equality.

What is defined here follows the definitions (probabilities of whole sentences and of prefixes, scipy's
divergences) and none of the formulas that are tested with it.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.spatial.distance import jensenshannon
from scipy.special import rel_entr

from textgan_lit.data.tiny import Tiny, every_sentence
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.discriminator.base import Discriminator
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

LENGTH = 3
PARTS = 5  # next-token probabilities of a `fractions` world are multiples of 1/5


class World(NamedTuple):
    """P and G over the same sentences, listed: probabilities p and g, and next-token logits."""

    sentences: TextBatch
    p_logits: torch.Tensor
    g_logits: torch.Tensor
    p: torch.Tensor
    g: torch.Tensor


def listed(oracle, generator, policy=None) -> World:
    """Every sentence of a world with its probability under both, in float64."""
    sentences = every_sentence(oracle.vocab, oracle.max_length)
    p_logits = oracle.predict(sentences, Categorical()).double()
    g_logits = generator.predict(sentences, policy or Categorical()).double()
    return World(sentences, p_logits, g_logits, probability(p_logits, sentences), probability(g_logits, sentences))


def probability(logits, sentences: TextBatch):
    tokens = sentences.tokens.masked_fill(~sentences.mask, 0).unsqueeze(-1)
    of_tokens = logits.softmax(-1).gather(-1, tokens).squeeze(-1)
    return torch.where(sentences.mask, of_tokens, 1.0).prod(1)


def jsd(p, g) -> float:
    return float(jensenshannon(p, g) ** 2)


def kl(p, g) -> float:
    return float(rel_entr(np.asarray(p), np.asarray(g)).sum())


def of_prefixes(world: World, length: int):
    """The probabilities of all prefixes of this length; a sentence that has ended is a prefix of its own."""
    prefixes, index = world.sentences.tokens[:, :length].unique(dim=0, return_inverse=True)
    empty = torch.zeros(len(prefixes), dtype=torch.float64)
    return empty.index_add(0, index, world.p), empty.index_add(0, index, world.g)


def prefix_jsd(world: World) -> list[float]:
    return [jsd(*of_prefixes(world, length + 1)) for length in range(world.sentences.tokens.shape[1])]


def after_prefixes(world: World, position: int):
    """For every prefix that is still open: its probability under P and G, and those of the token after it."""
    tokens, mask = world.sentences
    found = []
    for prefix in {tuple(row) for row in tokens[mask[:, position], :position].tolist()}:
        here = (tokens[:, :position] == torch.tensor(prefix, dtype=torch.long)).all(1) & mask[:, position]
        after = torch.zeros(2, int(tokens[mask].max()) + 1, dtype=torch.float64)
        after.index_add_(1, tokens[here, position], torch.stack([world.p[here], world.g[here]]))
        found.append((*after.sum(1).tolist(), *after))
    return found


def fractions(seed: int, variable: bool = False, never: int | None = None) -> Tiny:
    """A world of three tokens whose next-token probabilities are k/5; token ``never`` is never said."""
    world = Tiny(vocab_size=3, length=LENGTH, variable=variable)
    generator = torch.Generator().manual_seed(seed)
    parts = torch.ones_like(world.table)
    if never is not None:
        parts[:, never] = 0
    while (parts.sum(1) < PARTS).any():
        more = torch.multinomial((parts > 0).float(), 1, generator=generator)
        parts.scatter_add_(1, more, (parts.sum(1, keepdim=True) < PARTS).float())
    world.table = (parts / PARTS).log()
    return world


def population(model: Tiny, policy=None) -> TextBatch:
    """Sentences in which each occurs exactly as often as it should: a sample without chance."""
    sentences = every_sentence(model.vocab, LENGTH)
    times = probability(model.predict(sentences, policy or Categorical()).double(), sentences) * PARTS**LENGTH
    assert (times - times.round()).abs().max() < 1e-3
    return TextBatch(*(rows.repeat_interleave(times.round().long(), 0) for rows in sentences))


class Even(Noise):
    """Takes every combination of so many parts once: each sentence comes as often as it is probable."""

    def __init__(self, parts: int):
        super().__init__("even")
        self.parts = parts

    def uniform(self, rows, *shape):
        points = torch.cartesian_prod(*[torch.arange(self.parts)] * shape[0]).view(-1, shape[0])
        assert len(points) == rows
        return (points + 0.5) / self.parts


class Dealt(Noise):
    """Noise whose permutation is given."""

    def __init__(self, order):
        super().__init__("dealt")
        self.order = torch.tensor(order)

    def permutation(self, n):
        assert n == len(self.order)
        return self.order


def lively(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module in eval mode with random weights, so that no two tokens or positions look alike."""
    stream = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0.0, 0.5, generator=stream)
    return module.eval()


def quarters(vocab: Vocab, length: int, seed: int = 1) -> Markov:
    """A bigram table at each position: of two symbols ¼ and ¾, of three ¼, ¼ and ½, in any order."""
    generator = Markov(vocab, length, positional=True)
    parts = torch.tensor([1.0, 3.0] if vocab.size == 2 else [1.0, 1.0, 2.0])
    stream = torch.Generator().manual_seed(seed)
    rows = [parts[torch.randperm(vocab.size, generator=stream)] for _ in generator.table.weight]
    generator.table.weight.data = (torch.stack(rows) / 4).log()
    return generator


def mixture(p: torch.Tensor, g: torch.Tensor, sentences: TextBatch, vocab: Vocab) -> Markov:
    """(P + G)/2 as a generator: a table of the next token after every prefix of at most two tokens."""
    length = sentences.tokens.shape[1]
    model = Markov(vocab, length, order=2, positional=True)
    weight = torch.full(model.table.weight.shape, 1e-30, dtype=torch.float64)
    read = torch.nn.functional.pad(sentences.tokens, (2, 0), value=vocab.bos)
    for t in range(length):
        here = sentences.mask[:, t]
        row = model._row(read[here, t : t + 2], torch.full((int(here.sum()),), t))
        weight.index_put_((row, sentences.tokens[here, t]), (p + g)[here] / 2, accumulate=True)
    model.table.weight.data = weight.log().log_softmax(-1).float()
    return model


class Additive(Discriminator):
    """A score that is linear in the tokens: each position pays its own weight for the token that stands there."""

    accepts_soft = True

    def __init__(self, vocab, max_length, seed=0):
        super().__init__(vocab, max_length)
        stream = torch.Generator().manual_seed(seed)
        self.weight = torch.nn.Parameter(torch.randn(max_length, vocab.size, generator=stream))

    def forward(self, tokens, mask, density=None):
        if not tokens.is_floating_point():
            tokens = one_hot(tokens, mask, self.vocab.size)
        return (tokens * self.weight[: tokens.shape[1]] * mask.unsqueeze(2)).sum((1, 2))


def nothing_is_nan(found) -> bool:
    return not any(math.isnan(float(value)) for value in found.values())
