"""What every discriminator promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from jaxtyping import Bool, Float
from torch import Tensor, nn

from textgan_lit.model.generator.base import Generator
from textgan_lit.types import Tokens, Vocab


class Discriminator(nn.Module, ABC):
    """Sentences → raw logits: how much likelier they are real than generated.

    ::

        forward(tokens, mask, density=None) -> Float[B]     scores = "sentence"
                                            -> Float[B T]   scores = "token": each position judges its prefix
          tokens   Int[B T]      sentences; Float[B T V], weights of what can be emitted, where accepts_soft
          mask     Bool[B T]     False on padding; what stands there never changes a score
          density  Float[B T]    log G(x_t | x<t) of the generator being judged: given to a discriminator
                                 that declares needs_density, and to no other
        continuations(written) -> Float[P B N]      where shares_prefixes: what forward gives, without a gradient
          written  Int[P B N T]  entry [t-1, b, n] keeps the first t tokens of sentence b; pad where it has ended

    and where it ``leaks`` what it sees of a sentence's beginnings, ``leaked`` numbers F each::

        prefixes(tokens) -> Float[B T F]            of the tokens up to each; the last of a sentence are what forward
                                                    takes its logit from, where that is not random
        start(n) -> state                           the same token by token; every leaf is batch first
        step(token, state) -> (Float[B F], state)
          token    Int[B]        what cannot be emitted (bos, pad) is passed over
    """

    scores: ClassVar[Literal["sentence", "token"]] = "sentence"
    needs_density: ClassVar[bool] = False
    accepts_soft: ClassVar[bool] = False  # whether it can judge soft tokens, and pass a gradient to them
    shares_prefixes: ClassVar[bool] = False  # whether it has continuations(), a quicker way to score rollouts
    leaks: ClassVar[bool] = False  # whether it has prefixes(), start() and step(), for a generator that looks on
    base: str | None = None  # sha256 of the pretrained weights that it stands on, which no checkpoint holds
    limited: ClassVar[bool] = False  # whether its score cannot become log P/G: then no reward's divergence is descended

    def __init__(self, vocab: Vocab, max_length: int):
        super().__init__()
        self.vocab = vocab
        self.max_length = max_length

    def sync_with(self, generator: Generator) -> None:
        """Called before its first step, and before its first step after each of the generator's, with the generator."""
        return

    @abstractmethod
    def forward(
        self,
        tokens: Tokens,
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]: ...


def sentence_density(
    discriminator: Discriminator, density: Float[Tensor, "B T"] | None, mask: Bool[Tensor, "B T"]
) -> Float[Tensor, " B"]:
    """log G(x) of whole sentences, from the ``density`` that a discriminator was given; refuses where it was not."""
    if density is None:
        raise ValueError(
            f"{type(discriminator).__name__} compares with the generator's own density: pass density, log G(x_t | x<t)."
        )
    return density.masked_fill(~mask, 0.0).sum(1)


def small_head(width: int) -> nn.Linear:
    """Of ``width`` pretrained features one logit, which says little at first."""
    head = nn.Linear(width, 1)
    nn.init.normal_(head.weight, 0.0, 0.1 / width**0.5)
    nn.init.zeros_(head.bias)
    return head


def last_score(scores: Float[Tensor, "B *T"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, " B"]:
    """One score a sentence: the last one, of the whole sentence, where each token has its own."""
    if scores.dim() == 1:
        return scores
    last = mask.sum(1, keepdim=True).clamp_min(1) - 1
    return scores.gather(1, last).squeeze(1)
