"""BLEU-2..5 of 10,000 sentences against 10,000 references, and Self-BLEU-2..5 of the same, beside NLTK.

Sentences of 20 tokens are walks through a sparse Markov chain over 5000 tokens, so that n-grams of all orders are
shared. NLTK is asked about 5 sentences, each against all references and against all other sentences, and in the way
that is fastest for it: all orders in one call. Its seconds are scaled up linearly to 10,000 sentences; they are not
measured. Both have to give the same numbers to 1e-9.

The floor is one ``torch.sort`` of the n-grams of all sentences and references, n = 1 … 5, each packed into an int64:
whoever does not hash has to sort.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.testing import assert_close

from benchmarks.measure import seconds
from benchmarks.row import Row
from textgan_lit.functional.ngram import ORDERS, bleu, self_bleu

SENTENCES, LENGTH, VOCABULARY, SUCCESSORS = 10_000, 20, 5000, 4
ASKED = 5  # sentences that NLTK scores
NAME = "BLEU-2..5 and Self-BLEU-2..5 of 10,000 sentences against 10,000 references"


def rows() -> Iterator[Row]:
    tokens, references = texts()
    mask = torch.ones_like(tokens, dtype=torch.bool)
    ours = seconds(lambda: (bleu(tokens, mask, references, mask), self_bleu(tokens, mask)))
    since = time.process_time()
    wanted = nltks(tokens.tolist(), references.tolist())
    reference = (time.process_time() - since) * SENTENCES / ASKED
    found = bleu(tokens, mask, references, mask), self_bleu(tokens, mask)
    assert_close(torch.stack(found, 1)[:ASKED], wanted, rtol=0, atol=1e-9)
    packed = torch.cat([pack(text, n) for text in (tokens, references) for n in range(1, max(ORDERS) + 1)])
    floor = seconds(lambda: packed.sort())
    yield Row(NAME, ours, reference, floor, 20 / ours, "≥ 1: below 20 s", ours < 20)


def texts() -> tuple[Tensor, Tensor]:
    """Sentences and references, from the same chain: of a token's successors the first is the most frequent."""
    random = torch.Generator().manual_seed(0)
    successors = torch.randint(VOCABULARY, (VOCABULARY, SUCCESSORS), generator=random)
    tokens = [torch.randint(VOCABULARY, (2 * SENTENCES,), generator=random)]
    while len(tokens) < LENGTH:
        choice = torch.randint(SUCCESSORS, (2, 2 * SENTENCES), generator=random).amin(0)
        tokens.append(successors[tokens[-1], choice])
    return torch.stack(tokens, 1).chunk(2)


def nltks(sentences: list[list[int]], references: list[list[int]]) -> Tensor:
    """BLEU and Self-BLEU of the first few: Float64[ASKED 2 orders]."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu  # of the dev extra; no other set needs it

    weights, smooth = [(1 / n,) * n for n in ORDERS], SmoothingFunction().method1
    return torch.tensor(
        [
            [sentence_bleu(others, sentences[at], weights, smooth) for others in (references, without(sentences, at))]
            for at in range(ASKED)
        ],
        dtype=torch.float64,
    )


def without(sentences: list[list[int]], at: int) -> list[list[int]]:
    return sentences[:at] + sentences[at + 1 :]


def pack(tokens: Tensor, n: int) -> Tensor:
    """Every n-gram as one number to the base V."""
    return (tokens.unfold(1, n, 1) * VOCABULARY ** torch.arange(n)).sum(-1).flatten()
