"""textgan_lit: adversarial text generation whose numbers can be trusted.

What is named here is the public face: it stays while the rooms behind it move. Each name is imported on first use, for
``python train.py --help`` must not wait for torch.
"""

import importlib

__version__ = "0.2.0"

_HOME = {  # public name → the module that defines it
    "load": "inference",
    "Generator": "model.generator.base",
    "Discriminator": "model.discriminator.base",
    "Loss": "model.objective",
    "Reward": "model.reward",
    "Credit": "model.credit",
    "Baseline": "model.baseline",
    "SetMetric": "metrics.base",
    "Vocab": "types",
    "TextBatch": "types",
    "UserError": "errors",
}
__all__ = [*_HOME]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'textgan_lit' has no attribute {name!r}")
    return getattr(importlib.import_module(f"textgan_lit.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
