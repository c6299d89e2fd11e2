"""A world of several languages, whose price for speaking only one is known.

The measured demo's world: a generator too small to remember which language it speaks blends them.
"""

from __future__ import annotations

import math
from typing import Annotated, final

import torch
from annotated_types import Ge, Interval
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import State
from textgan_lit.noise import stream
from textgan_lit.types import Length, TextBatch, Vocab

LARGEST_TABLE = 10**8


@final
class Mixture(Oracle):
    """An even mixture of sparse random Markov chains, the "languages", over the same tokens.

    A sentence is written in one language. In it each token has ``successors`` possible next tokens, with weights
    drawn from U(0, 1) + 0.3; ``smoothing`` is the share of probability spread evenly over all tokens. The first
    token's distribution is common to all languages. ``difference`` is the share of tokens whose successors differ
    from language 0's: 1 makes the languages independent, 0 makes them one.

    Conditionals are exact: Σ_k p(k | x<t) P_k(x_t | x_{t-1}), the state carrying the log-weight of each language.
    """

    def __init__(
        self,
        vocab_size: Annotated[int, Ge(2)] = 20,
        length: Length = 8,
        languages: Annotated[int, Ge(1)] = 2,
        successors: Annotated[int, Ge(1)] = 4,
        difference: Annotated[float, Interval(ge=0, le=1)] = 1.0,
        smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.01,
        seed: int = 1,
    ):
        if successors > vocab_size:
            raise UserError(
                f"data=mixture has successors={successors} for each of vocab_size={vocab_size}: a token cannot have "
                f"more successors than there are tokens. Give at most data.oracle.successors={vocab_size}."
            )
        if languages * vocab_size**2 > LARGEST_TABLE:
            raise UserError(
                f"data=mixture with languages={languages} and vocab_size={vocab_size} needs a table "
                f"of {languages * vocab_size**2:,} numbers; at most {LARGEST_TABLE:,} are allowed. Use fewer tokens or "
                "data=oracle_lstm."
            )
        super().__init__(Vocab(tuple(f"w{token}" for token in range(vocab_size))), length)
        chains = _chains(vocab_size, languages, successors, difference, seed)
        smooth = ((1 - smoothing) * chains + smoothing / vocab_size).log()
        # rows: the token before (bos last); columns: the token (bos last, which tells nothing of the language)
        self.register_buffer("table", pad(smooth, (0, 1)))
        self.register_buffer("successor", chains[:, :vocab_size] > 0)

    def start(self, n: int) -> State:
        belief = self.table.new_zeros(n, len(self.table))
        return belief, torch.full((n,), self.vocab.bos, device=belief.device)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B V"], State]:
        belief, before = state
        belief = belief + self.table[:, before, prev].T
        return self._blend(belief, prev), (belief, prev)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        news = self.table[:, inputs[:, :-1], inputs[:, 1:]].movedim(0, -1)
        belief = pad(news.cumsum(1), (0, 0, 1, 0))  # at bos nothing is known yet
        return self._blend(belief, inputs)

    def validity(self, batch: TextBatch) -> dict[str, Bool[Tensor, " B"]]:
        """``language_k``: every token but the first is among its predecessor's successors in language k."""
        kept = self.successor[:, batch.tokens[:, :-1], batch.tokens[:, 1:]].all(-1)
        return {f"language_{k}": valid for k, valid in enumerate(kept)}

    def _blend(self, belief: Float[Tensor, "... K"], prev: Int[Tensor, "..."]) -> Float[Tensor, "... V"]:
        """Log-probabilities of the next token: Bayes' rule over languages, then their mixture."""
        # Where no language can have written what is there (smoothing 0), every language stays possible.
        even = -math.log(belief.shape[-1])
        posterior = belief.log_softmax(-1).nan_to_num(nan=even, neginf=-math.inf)
        nexts = self.table[:, prev, : self.vocab.size].movedim(0, -2)
        return (posterior.unsqueeze(-1) + nexts).logsumexp(-2)


def _chains(
    vocab_size: int, languages: int, successors: int, difference: float, seed: int
) -> Float[Tensor, "K rows V"]:
    """Transition probabilities before smoothing; the last row starts a sentence."""
    # Seeded so that seeds 1, 2, 3 are the very worlds of the demo's measured table.
    own = torch.Generator().manual_seed((seed - 1) % 2**63)
    chains = torch.zeros(languages, vocab_size + 1, vocab_size)
    for chain in chains:
        for token, row in enumerate(chain):
            number = successors if token < vocab_size else vocab_size
            chosen = torch.randperm(vocab_size, generator=own)[:number]
            weight = torch.rand(number, generator=own) + 0.3
            row[chosen] = weight / weight.sum()
    common = torch.randperm(vocab_size, generator=stream("mixture", seed))[round(difference * vocab_size) :]
    chains[1:, common] = chains[0, common]
    chains[1:, vocab_size] = chains[0, vocab_size]
    return chains
