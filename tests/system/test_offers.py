"""A refusal that names generators names those that exist and are then taken: what it offers is built."""

import re
from functools import cache

import pytest

from tests.helpers.playing import CONF, built
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import fitting

NAMES = {path.stem for path in (CONF / "model" / "generator").glob("*.yaml")}
PLAIN, MEDIATOR = "model/generator", "model/generator@model.discriminator.model"
WORLD = ("debug=smoke", "data=tiny", "data.train=1024", "data.valid=64", "data.test=64")
ROUNDS = "model/generator=masked_diffusion model/objective=elbo"
REFUSED = {  # overrides → where another generator goes, and what it may need beside
    "model=mle model/generator=vae": (PLAIN, ""),
    f"model=minimax {ROUNDS} model/credit=monte_carlo": (PLAIN, "objective"),
    f"model=gsgan {ROUNDS}": (PLAIN, "objective"),
    "model=gsgan model/generator=markov": (PLAIN, "objective"),
    "model=mle model/objective=elbo": (PLAIN, ""),
    "model=mle model/generator=markov model/objective=any_order": (PLAIN, "model.generator.any_order=true"),
    f"model=cot {MEDIATOR}=vae": (MEDIATOR, ""),
}


@cache
def offered(overrides, place):
    """The names after the place that they are offered for."""
    with pytest.raises(UserError) as told:
        built(*WORLD, *overrides.split())
    (listed,) = re.findall(rf"{re.escape(place)}=((?:\w+, )*\w+(?: or \w+)?)", str(told.value))
    return re.split(", | or ", listed)


@pytest.mark.parametrize("overrides", REFUSED)
def test_what_a_refusal_offers_is_taken(overrides):
    place, also = REFUSED[overrides]
    names, bounded = offered(overrides, place), offered("model=mle model/objective=elbo", PLAIN)
    assert len(names) > 1
    assert set(names) < NAMES
    for name in names:
        likelihood = f"model/objective={'elbo' if name in bounded else 'likelihood'}"
        more = likelihood if also == "objective" else also
        built(*WORLD, *overrides.split(), f"{place}={name}", *more.split())


def test_whoever_fits_is_offered():
    """All but who needs the eyes of a discriminator, or a folder."""
    assert set(re.split(", | or ", fitting(lambda kind: True))) == NAMES - {"manager_worker", "pretrained"}
