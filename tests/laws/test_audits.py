"""Every model under conf/model/ has the gradient that it declares: on both worlds, at D* and at a D that was taught.

What is audited is the model as it stands, but for networks and rollouts that need not be that large here.
"""

from pathlib import Path

import pytest

from textgan_lit.commands.audit import WORLDS, audited, parser

CONF = Path(__file__).parents[2] / "conf"
MODELS = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
SMALLER = {"seqgan": ("model.discriminator.filters=[[1,32],[2,32],[3,32]]", "model.credit.rollouts=2")}

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def findings(model, world, *words):
    options = parser().parse_args([f"model={model}", *SMALLER.get(model, ()), *words])
    return audited(options, [WORLDS[world]])


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("model", MODELS)
def test_a_model_descends_what_it_declares(model, world):
    found = findings(model, world, "--batches=60")
    assert found
    for finding in found:
        assert finding.passed, f"{finding.judge}, {finding.claim}: {finding.verdict}"


@pytest.mark.slow
@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("model", MODELS)
def test_and_so_it_does_in_the_full_audit(model, world):
    for finding in findings(model, world, "--batches=300"):
        assert finding.passed, f"{finding.judge}, {finding.claim}: {finding.verdict}"
