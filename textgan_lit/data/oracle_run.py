"""A finished run's generator as data: text that reads like yours, with the truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Protocol, final

from annotated_types import Interval

from textgan_lit.data.oracle import FrozenGenerator
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.model import lora
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Policy, Tempered
from textgan_lit.types import Temperature


class Opened(Protocol):
    """What a run that was opened has of its writer."""

    generator: Generator
    policy: Policy


@final
class OracleRun(FrozenGenerator):
    """What a finished ``run`` writes, as P: its tokens, tokenizer and lengths, under its policy at a ``temperature``.

    The run is its folder or one of its checkpoints, opened as every run is, so a stranger's runs nobody's code; where
    it chose between two generators, P is the one it chose. Its density has to be exact, and a next token's known: a
    bound on P is no truth. What the adapters of a pretrained generator add to its weights counts ``scale`` times: at 0
    P is the model that they were put into.
    """

    def __init__(
        self,
        run: str,
        open_run: Callable[[str], Opened],
        temperature: Temperature = 1.0,
        scale: Annotated[float, Interval(ge=0, le=1000)] = 1.0,
    ):
        opened, where = open_run(run), f"data.run={shown(run, PATH)}"
        writer = opened.generator
        writer.need_likelihood(where, "data.run of a run that has it")
        writer.need_prefixes(where, "data.run of a run that does")
        if writer.any_order or not writer.is_left_to_right:
            raise UserError(
                f"{where} is to be the data, but its {type(writer).__name__} writes in another order than one reads. "
                "Give a run of a generator that writes from left to right."
            )
        if not lora.scale(writer, scale) and scale != 1.0:
            raise UserError(
                f"data.scale={scale} scales adapters, and the {type(writer).__name__} of {where} has none. Leave it "
                "out, or give a run of model/generator=pretrained with model.generator.lora."
            )
        super().__init__(writer, Tempered(opened.policy, temperature))
