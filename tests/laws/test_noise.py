"""The inverse-transform view: a sentence is a function of its noise, and what it makes of uniform noise is G.

Found by globbing conf/model/generator: the volume of all noise that is mapped to a sentence, measured by writing alone,
against the likelihood that the generator declares; for every generator that declares one exactly, in every order.
"""

from pathlib import Path

import pytest
import torch
import yaml
from torch.testing import assert_close

from tests.helpers.enumeration import lively
from textgan_lit.build import parts
from textgan_lit.data.tiny import every_sentence
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.types import Vocab

LENGTH = 3
PARTS = 1024  # of a token's uniform number: an interval of them is known to 1/PARTS
CONF = Path(__file__).parents[2] / "conf" / "model" / "generator"
KINDS = sorted({path.stem for path in CONF.glob("*.yaml")} - {"pretrained"})  # of a folder; its laws are its own test's
ORDERS = ("l2r", "r2l", "binary_tree", [1, 2, 0])
SMALLER = {"width": 8, "heads": 2, "embedding": 4, "hidden": 6}
FIXED, EOS = Vocab(("a", "b", "c")), Vocab(("a", "b"), has_eos=True)


def read(kind):
    """A file of conf/, with the files that its defaults put into it."""
    settings = yaml.safe_load((CONF / f"{kind}.yaml").read_text())
    for entry in settings.pop("defaults", []):
        if entry != "_self_":
            ((place, option),) = entry.items()
            settings[place.partition("@")[2]] = read(option)
    return settings


def built(kind, vocab=FIXED, **more):
    settings = read(kind) | more
    settings |= {key: value for key, value in SMALLER.items() if key in settings}
    known = {"vocab": vocab, "max_length": LENGTH, "leaked_discriminator": lambda: Conv(vocab, LENGTH)}
    return lively(parts.part(settings, "model.generator", Generator, **known))


def cases():
    """Every generator, in every order where it has one that is asked for, told places or not."""
    for kind in KINDS:
        settings = read(kind)
        orders = ORDERS if "any_order" in settings else (None,)
        for order in orders:
            for told in (False, True) if order else (False,):
                yield pytest.param(
                    kind, {"order": order, "any_order": told} if order else {}, id=f"{kind}-{order}-{told}"
                )


def volumes(generator, policy):
    """Of the noise of every sentence: step by step the share of uniform numbers that write each token, after noise that
    wrote the tokens before it. A sentence's noise is the product of these sets: a token depends on earlier tokens."""
    grid = (torch.arange(PARTS) + 0.5) / PARTS
    found = {(): (1.0, torch.zeros(0))}
    for step in range(LENGTH):
        longer = {}
        for tokens, (volume, uniforms) in found.items():
            if tokens and tokens[-1] == generator.vocab.eos:
                longer[tokens] = volume, uniforms
                continue
            noise = torch.full((PARTS, LENGTH), 0.5)
            noise[:, :step], noise[:, step] = uniforms, grid
            rollout = generator.sample(noise, policy)
            written = generator.to_generation_order(rollout.tokens)
            assert (written[:, :step] == torch.tensor(tokens, dtype=torch.long)).all()  # the past does not change
            for token in written[:, step].unique().tolist():
                own = grid[written[:, step] == token]
                longer[(*tokens, token)] = volume * len(own) / PARTS, torch.cat([uniforms, own[len(own) // 2].view(1)])
        found = longer
    return {tokens: volume for tokens, (volume, _) in found.items()}


COOLER = pytest.param(Categorical(0.6), id="0.6", marks=pytest.mark.slow)


@pytest.mark.parametrize("policy", [pytest.param(Categorical(), id="1"), COOLER, pytest.param(TopK(2), id="top 2")])
@pytest.mark.parametrize(("kind", "settings"), list(cases()))
@torch.no_grad()
def test_the_volume_of_a_sentences_noise_is_its_probability(kind, settings, policy):
    for vocab in (FIXED,) if settings.get("order") not in (None, "l2r") or settings.get("any_order") else (FIXED, EOS):
        generator = built(kind, vocab, **settings)
        if generator.likelihood != "exact" or generator.latent:
            pytest.skip("log G is not known, or the noise is not of tokens alone")
        sentences = every_sentence(vocab, LENGTH)
        probability = generator.logp(sentences, policy).sum(1).exp()
        by_volume = volumes(generator, policy)
        rows = zip(
            generator.to_generation_order(sentences.tokens).tolist(), sentences.mask.sum(1).tolist(), strict=True
        )
        volume = torch.tensor([by_volume.get(tuple(row[:length]), 0.0) for row, length in rows])
        assert_close(volume.sum().item(), 1.0)
        assert_close(volume, probability, rtol=0, atol=LENGTH / PARTS)
        assert probability.max() > 10 * LENGTH / PARTS


# --- common random numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_near_by_weights_and_temperatures_write_nearly_the_same_sentences(kind):
    """One noise at two moments of a run, or at two temperatures: most tokens stay, with other noise most change."""
    generator = built(kind)
    stream = torch.Generator().manual_seed(1)
    noise, other = torch.rand(2, 2000, generator.uniforms, generator=stream).unbind()
    tokens = generator.sample(noise, Categorical()).tokens
    cooler = generator.sample(noise, Categorical(0.95)).tokens
    for weight in generator.parameters():
        weight += 0.01 * torch.randn(weight.shape, generator=stream)
    later = generator.sample(noise, Categorical()).tokens
    elsewhere = generator.sample(other, Categorical()).tokens
    same = [(tokens == some).all(1).float().mean().item() for some in (cooler, later, elsewhere)]
    assert min(same[:2]) > 0.8 > 0.5 > same[2]
    assert max(same[:2]) < 1.0


def test_orders_are_asked_for_where_there_are_any():
    assert {"lstm", "markov", "transformer"} <= set(KINDS)
    assert len(list(cases())) >= len(KINDS) + 2 * (2 * len(ORDERS) - 1)
