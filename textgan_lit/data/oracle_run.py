"""A finished run's generator as data: text that reads like yours, with the truth."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, final

from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.model.policy import Policy, Tempered
from textgan_lit.types import Temperature


class Opened(Protocol):
    """What a run that was opened has of its writer."""

    generator: Generator
    policy: Policy


@final
class OracleRun(Oracle):
    """What a finished ``run`` writes, as P: its tokens, tokenizer and lengths, under its policy at a ``temperature``.

    The run is its folder or one of its checkpoints, opened as every run is, so a stranger's runs nobody's code; where
    it chose between two generators, P is the one it chose. Its density has to be exact, and a next token's known: a
    bound on P is no truth.
    """

    def __init__(self, run: str, open_run: Callable[[str], Opened], temperature: Temperature = 1.0):
        opened, where = open_run(run), f"data.run={shown(run, PATH)}"
        writer = opened.generator
        writer.need_likelihood(where, "data.run of a run that has it")
        writer.need_prefixes(where, "data.run of a run that does")
        if writer.any_order or not writer.is_left_to_right:
            raise UserError(
                f"{where} is to be the data, but its {type(writer).__name__} writes in another order than one reads. "
                "Give a run of a generator that writes from left to right."
            )
        super().__init__(writer.vocab, writer.max_length)
        self.writer, self.base = writer.requires_grad_(False).eval(), writer.base
        self.policy = Tempered(opened.policy, temperature)

    def start(self, n: int) -> State:
        return self.writer.start(n)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        return self.writer.advance(prev, state)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.writer.features(inputs)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return self.policy(self.writer.head(features).float())

    def decoding(self) -> AbstractContextManager[None]:
        return self.writer.decoding()

    def train(self, mode: bool = True) -> OracleRun:
        return super().train(False)  # P never drops anything out
