"""textgan_lit: adversarial text generation whose numbers can be trusted.

What is named here is the public face: it stays while the rooms behind it move. Each name is imported on first use, for
``python train.py --help`` must not wait for torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:  # what a type checker and an editor follow; tests hold it to the list below
    from textgan_lit.data.base import DataModule as DataModule
    from textgan_lit.data.oracle import Oracle as Oracle
    from textgan_lit.errors import UserError as UserError
    from textgan_lit.inference import Run as Run
    from textgan_lit.inference import Sentence as Sentence
    from textgan_lit.inference import load as load
    from textgan_lit.metrics.base import SetMetric as SetMetric
    from textgan_lit.metrics.strings import bleu as bleu
    from textgan_lit.metrics.strings import distinct as distinct
    from textgan_lit.metrics.strings import frechet as frechet
    from textgan_lit.metrics.strings import fresh_critic_bound as fresh_critic_bound
    from textgan_lit.metrics.strings import mauve as mauve
    from textgan_lit.metrics.strings import ms_jaccard as ms_jaccard
    from textgan_lit.metrics.strings import ngram_jsd as ngram_jsd
    from textgan_lit.metrics.strings import self_bleu as self_bleu
    from textgan_lit.model.baseline import Baseline as Baseline
    from textgan_lit.model.control import Control as Control
    from textgan_lit.model.credit import Credit as Credit
    from textgan_lit.model.discriminator.base import Discriminator as Discriminator
    from textgan_lit.model.discriminator_loss import DiscriminatorLoss as DiscriminatorLoss
    from textgan_lit.model.generator.base import Generator as Generator
    from textgan_lit.model.objective import Loss as Loss
    from textgan_lit.model.penalty import Penalty as Penalty
    from textgan_lit.model.policy import Policy as Policy
    from textgan_lit.model.regulariser import Regulariser as Regulariser
    from textgan_lit.model.reward import Reward as Reward
    from textgan_lit.model.schedule import Answer as Answer
    from textgan_lit.model.schedule import Rule as Rule
    from textgan_lit.report.rows import compare as compare
    from textgan_lit.run.schema import form as form
    from textgan_lit.training import train as train
    from textgan_lit.types import Outcome as Outcome
    from textgan_lit.types import TextBatch as TextBatch
    from textgan_lit.types import Vocab as Vocab

_HOME = {  # public name → the module that defines it
    "load": "inference",
    "train": "training",
    "compare": "report.rows",
    "Run": "inference",
    "Sentence": "inference",
    # what a run is made of: each is the base of parts of one kind
    "Generator": "model.generator.base",
    "Policy": "model.policy",
    "Discriminator": "model.discriminator.base",
    "DiscriminatorLoss": "model.discriminator_loss",
    "Penalty": "model.penalty",
    "Reward": "model.reward",
    "Control": "model.control",
    "Credit": "model.credit",
    "Baseline": "model.baseline",
    "Loss": "model.objective",
    "Regulariser": "model.regulariser",
    "Rule": "model.schedule",
    "DataModule": "data.base",
    "Oracle": "data.oracle",
    "SetMetric": "metrics.base",
    # what they are given, and what they give
    "Vocab": "types",
    "TextBatch": "types",
    "Outcome": "types",
    "Answer": "model.schedule",
    "UserError": "errors",
    "form": "run.schema",
    # metrics of lists of strings, without a run
    "bleu": "metrics.strings",
    "self_bleu": "metrics.strings",
    "distinct": "metrics.strings",
    "ngram_jsd": "metrics.strings",
    "ms_jaccard": "metrics.strings",
    "mauve": "metrics.strings",
    "frechet": "metrics.strings",
    "fresh_critic_bound": "metrics.strings",
}
__all__ = [*_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'textgan_lit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"textgan_lit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
