"""Calls from outside, and the types that a checker or an editor shall see: mypy reads this, nothing plays it."""

from collections.abc import Iterator
from typing import Any

from typing_extensions import assert_type

import textgan_lit
from textgan_lit import Run, Sentence
from textgan_lit.metrics.strings import Scores


def played() -> None:
    run = textgan_lit.train("model=seqgan", "seed=2")
    assert_type(run, Run)
    assert_type(run.sample(3), list[str])
    assert_type(run.score(["a b"]), Iterator[Sentence])
    assert_type(run.metrics("truth/jsd"), list[dict[str, Any]])
    assert_type(textgan_lit.compare([run]), list[dict[str, Any]])


def measured(samples: list[str], references: list[str]) -> None:
    assert_type(textgan_lit.bleu(samples, references), Scores)
    assert_type(textgan_lit.self_bleu(samples), Scores)
    assert_type(textgan_lit.fresh_critic_bound(samples, references).numbers, dict[str, float])


def made(vocab: textgan_lit.Vocab) -> None:
    assert_type(vocab.text([0]), str)
