"""The overrides of a sweep: which stay as they are, and among which values the others are searched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from textgan_lit.errors import UserError
from textgan_lit.run.folder import OWN


class Space(NamedTuple):
    """``overrides`` are common to all trials; ``searched`` are the others, by key."""

    overrides: tuple[str, ...]
    searched: dict[str, BaseDistribution]

    def trial(self, chosen: Mapping[str, Any]) -> list[str]:
        """The overrides of the trial for which ``chosen`` was drawn."""
        return [*self.overrides, *(f"{key}={value}" for key, value in chosen.items())]

    def some(self) -> dict[str, Any]:
        """Any one choice, to see whether it composes."""
        return {key: _first(values) for key, values in self.searched.items()}


def space(overrides: list[Override]) -> Space:
    """Hydra's own syntax: ``a,b``, ``choice(a,b)``, ``range(1,9)``, ``interval(0,1)``, ``tag(log,interval(1e-4,1))``.

    ``int(interval(1,9))`` is an interval of whole numbers. Of a key that is given twice, the last counts.

    Raises:
        UserError: nothing is searched, or the seed is.
    """
    last = {override.get_key_element(): override for override in overrides}
    searched = {key: _values(override) for key, override in last.items() if override.is_sweep_override()}
    if not searched:
        raise UserError(
            "sweep=optuna was given nothing to search. Give some key several values, such as model.schedule.k=1,2,5 or "
            "'model.optim.generator.lr=tag(log,interval(1e-4,1e-1))', or hydra.sweeper.params in a YAML file."
        )
    if "seed" in searched:
        raise UserError(
            "sweep=optuna would choose the luckiest seed. Search other keys with seed=1, then play the best trial "
            "again with -m seed=2,3,4 and textgan compare."
        )
    kept = {key: override for key, override in last.items() if key not in searched and key not in OWN}
    return Space(tuple(f"{key}={override.get_value_element_as_str()}" for key, override in kept.items()), searched)


def _values(override: Override) -> BaseDistribution:
    if override.is_discrete_sweep() and not override.is_range_sweep():
        return CategoricalDistribution(list(dict.fromkeys(override.sweep_string_iterator())))
    given = override.value()
    assert isinstance(given, RangeSweep | IntervalSweep)
    try:
        if isinstance(given, RangeSweep):  # ends before its stop
            numbers = sorted(float(text) for text in override.sweep_string_iterator())
            low, high, step = numbers[0], numbers[-1], abs(given.step)
            whole = all(isinstance(number, int) for number in (given.start, given.stop, given.step))
        else:
            low, high, step = given.start, given.end, None
            whole = isinstance(low, int) and isinstance(high, int)
        if whole:
            return IntDistribution(int(low), int(high), log="log" in given.tags, step=step or 1)
        return FloatDistribution(low, high, log="log" in given.tags, step=step)
    except (IndexError, ValueError) as error:
        raise UserError(f"{override.input_line} cannot be searched: {error}") from error


def _first(values: BaseDistribution) -> Any:
    return values.choices[0] if isinstance(values, CategoricalDistribution) else values.low
