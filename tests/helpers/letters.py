"""Sentences of a few letters for players that read text; two worlds of them, and whether a discriminator tells them."""

import random

import torch
from torch.nn.functional import softplus

from tests.helpers import tiny_lm
from textgan_lit import tokenizer
from textgan_lit.model.discriminator.base import Discriminator, last_score
from textgan_lit.types import TextBatch, Vocab

LENGTH = 10


def of_letters(text: str, is_text: bool = False) -> Vocab:
    """The tokens of a tokenizer.json, or of one for these letters."""
    text = text if is_text else tiny_lm.spelling(tiny_lm.tokens_of(text))
    return Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)


WORDS = of_letters(tokenizer.trained("whitespace", iter([["ab cd"] * 3]), 10), is_text=True)


def texts() -> list[str]:
    return ["abcd", "", "d c b a", "aa", "bcd ab", "dddddddddd"]


def batch(vocab: Vocab, some: list[str], length: int = LENGTH) -> TextBatch:
    """With eos, where there is room for it."""
    rows = [[*vocab.encode(text), vocab.eos][:length] for text in some]
    tokens = torch.tensor([row + [vocab.pad] * (length - len(row)) for row in rows])
    return TextBatch(tokens, tokens != vocab.pad)


def world(letters: str, n: int, seed: str) -> list[str]:
    """Sentences of these letters."""
    lots = random.Random(seed)
    return ["".join(lots.choice(letters) for _ in range(lots.randint(3, 8))) for _ in range(n)]


def held_out_accuracy(discriminator: Discriminator, vocab: Vocab, other: str, steps: int = 25) -> float:
    """Of a discriminator that was taught to tell sentences of a and b from those of ``other`` letters."""
    optimizer = torch.optim.Adam([weight for weight in discriminator.parameters() if weight.requires_grad], lr=0.01)

    def scores(n: int, seed: str):
        both = [batch(vocab, world(letters, n, f"{seed} {side}")) for side, letters in enumerate(("ab", other))]
        return [last_score(discriminator(*one), one.mask) for one in both]

    for step in range(steps):
        real, fake = scores(16, f"{step}")
        optimizer.zero_grad()
        (softplus(-real).mean() + softplus(fake).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        real, fake = scores(200, "held out")
    return ((real > 0).float().mean() + (fake <= 0).float().mean()).item() / 2
