"""textgan_lit: adversarial text generation whose numbers can be trusted.

What is named here is the public face: it stays while the rooms behind it move. Each name is imported on first use, for
``python train.py --help`` must not wait for torch.
"""

import importlib

__version__ = "0.2.0"

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


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'textgan_lit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"textgan_lit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
