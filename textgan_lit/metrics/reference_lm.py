"""A small language model of one recipe for every run, which other proxies ask what it makes of sentences."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from textgan_lit.functional.likelihood import inputs_of, nll
from textgan_lit.metrics.learning import apart, learn, own, rows_of
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical
from textgan_lit.types import TextBatch, Vocab

EMBEDDING, HIDDEN, DROPOUT = 32, 64, 0.2
RECIPE = {"lr": 0.01, "batch": 32, "epochs": 12, "patience": 2}
CHUNK = 500  # sentences read at once


def taught(vocab: Vocab, max_length: int, text: TextBatch) -> LSTM:
    """A language model that has learnt from ``text``: the same one whoever asks, and whatever was drawn before."""
    text = own(text)
    with apart("reader", device=text.tokens.device):
        model = LSTM(vocab, max_length, EMBEDDING, HIDDEN, dropout=DROPOUT).to(text.tokens.device)

        def loss(rows: Tensor) -> Tensor:
            some = rows_of(text, rows)
            return nll(model.logp(some, Categorical()), some.mask)

        return learn(model, loss, len(text.tokens), "reader", **RECIPE).requires_grad_(False)


@functools.lru_cache(maxsize=1)
def of_held_out(
    vocab: Vocab, max_length: int, sentences: Callable[[str], TextBatch], n: int, device: torch.device
) -> LSTM:
    """That of the first ``n`` validation sentences, which no generator has learnt from. Taught once a run."""
    return taught(vocab, max_length, TextBatch(*(part.to(device) for part in sentences("valid").first(n))))


@torch.no_grad()
def surprise(model: LSTM, batch: TextBatch) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """NLL of the sentences in nats a token and its standard error, that of a ratio of two means over sentences."""
    parts = zip(batch.tokens.split(CHUNK), batch.mask.split(CHUNK), strict=True)
    logp = torch.cat([model.logp(TextBatch(*part), Categorical()).double().sum(1) for part in parts])
    length = batch.mask.sum(1).double()
    ratio = -logp.sum() / length.sum()
    return ratio, (-logp - ratio * length).std() / len(length) ** 0.5 / length.mean()


@torch.no_grad()
def features(model: LSTM, batch: TextBatch) -> Float[Tensor, "B H"]:
    """What a sentence looks like to the model: the mean of its hidden states over the sentence's tokens."""
    found = []
    for tokens, mask in zip(batch.tokens.split(CHUNK), batch.mask.split(CHUNK), strict=True):
        # a state belongs to the tokens before it, so the inputs are shifted: bos and all tokens but the last
        hidden = model.features(inputs_of(tokens, model.vocab.bos)).double()
        found.append((hidden * mask.unsqueeze(2)).sum(1) / mask.sum(1, keepdim=True).clamp_min(1))
    return torch.cat(found)
