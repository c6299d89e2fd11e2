"""Every model under conf/model/ has the gradient that it declares: on both worlds, at D* and at a D that was taught.

What is audited is the model as it stands, but for networks and rollouts that need not be that large here.
"""

import pytest

from tests.helpers.playing import MODELS
from textgan_lit.commands.audit import WORLDS, audited, composed, parser
from textgan_lit.errors import UserError

KNOWN = [
    model for model in MODELS if model not in ("didi", "masked_diffusion", "one_shot", "vae", "vae_gan")
]  # the audit compares with log G(x)
PLAYED = [(model, world) for model in KNOWN for world in WORLDS if (model, world) != ("any_order", "with eos")]
FEWER = ("model.discriminator.filters=[[1,32],[2,32],[3,32]]", "model.credit.rollouts=2")
# The quick audit looks at one world, and neither at relgan, the dearest, nor at all methods whose gradient is the score
# function's, as seqgan's, airl's and leakgan's; the full one has them all.
LONG = {"relgan", "coldgan", "grpo", "maligan", "rankgan", "textgail"}
QUICK = [(model, "fixed length" if model == "any_order" else "with eos") for model in KNOWN if model not in LONG]
SMALLER = {"leakgan": FEWER, "seqgan": FEWER}
VARIANTS = {  # what the models leave out → how every summary starts
    ("model=cot", "model.estimator.future=1"): "unbiased within 4 SE",
    (
        "model=airl",
        "model.estimator.importance_sampling_level=sentence",
        "model/baseline=leave_one_out",
    ): "unbiased within 4 SE",
    ("model=minimax", "model/generator=mixture", "model/baseline=leave_one_out"): "unbiased within 4 SE",
    ("model=minimax", "model/generator=mixture", "model/control=shuffled"): "null control",
    ("model=minimax", "model/control=constant"): "null control",
    ("model=minimax", "model/control=shuffled"): "null control",
    ("model=gsgan", "model/control=shuffled"): "null control",
    ("model=leakgan", *FEWER, "model/control=shuffled"): "null control",
}

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def findings(world, *overrides):
    options = parser().parse_args(overrides)
    return audited(composed([WORLDS[world], *options.overrides]), options)


def of_model(model, world, batches):
    return findings(world, f"model={model}", *SMALLER.get(model, ()), f"--batches={batches}")


@pytest.mark.parametrize(("model", "world"), QUICK)
def test_a_model_descends_what_it_declares(model, world):
    found = of_model(model, world, 60)
    assert found
    for finding in found:
        assert finding.passed, f"{finding.player}, {finding.claim}: {finding.summary}"


@pytest.mark.parametrize("world", [pytest.param("fixed length", marks=pytest.mark.slow), "with eos"])
@pytest.mark.parametrize("overrides", VARIANTS, ids=" ".join)
def test_so_do_its_variants(overrides, world):
    for finding in findings(world, *overrides, "--batches=60"):
        assert finding.passed, f"{finding.player}, {finding.claim}: {finding.summary}"
        assert finding.summary.startswith(VARIANTS[overrides])


def test_any_order_is_for_sentences_of_one_length():
    with pytest.raises(UserError, match="these sentences vary in length"):
        of_model("any_order", "with eos", 60)


@pytest.mark.parametrize("model", sorted({*MODELS} - {*KNOWN}))
def test_without_a_likelihood_there_is_nothing_to_compare_with(model):
    with pytest.raises(UserError, match="The audit compares with log G"):
        of_model(model, next(iter(WORLDS)), 60)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "world"), PLAYED)
def test_and_so_it_does_in_the_full_audit(model, world):
    for finding in of_model(model, world, 300):
        assert finding.passed, f"{finding.player}, {finding.claim}: {finding.summary}"
