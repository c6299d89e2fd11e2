"""Adapters of a low rank, which learn in place of the weights beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Gt, Interval
from torch import nn

from textgan_lit.errors import UserError, shown


class Lora(NamedTuple):
    """W + (alpha / rank) · B A in place of W, where A and B alone learn (Hu et al. 2021, arXiv:2106.09685).

    ``targets`` are the names of the linear layers that get them, as peft takes them: how a layer's name ends, or
    ``all-linear``. At first B = 0, so nothing is changed.
    """

    rank: Annotated[int, Interval(ge=1, le=1024)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    targets: Literal["all-linear"] | list[str] = "all-linear"

    def put_into(self, network: nn.Module, where: str) -> None:
        """Gives ``network`` adapters; nothing else in it learns from then on."""
        try:
            from peft import LoraConfig, inject_adapter_in_model
        except ImportError:
            raise UserError(f'{where}.lora needs peft. Install it: pip install "textgan_lit[lm]"') from None
        settings = LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=self.targets)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # GPT-2's layers are stored transposed: peft sees to it, and says so
                inject_adapter_in_model(settings, network)
        except ValueError as error:
            names = {name.rpartition(".")[2] for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
            raise UserError(
                f"{where}.lora.targets={shown(str(self.targets))} match no layer of this model "
                f"({shown(str(error))}). It has {', '.join(sorted(names))}; or give all-linear."
            ) from None


@contextmanager
def merged(network: nn.Module) -> Iterator[None]:
    """For as long, the adapters are within the weights, so that sampling pays for one product a layer.

    The weights of before come back as they were, to the bit: they are set aside, not computed back.
    """
    layers = [layer for layer in network.modules() if hasattr(layer, "merged_adapters") and not layer.merged_adapters]
    kept = [layer.get_base_layer().weight.data for layer in layers]
    with torch.no_grad():
        for layer in layers:
            layer.merge(safe_merge=True)  # safe: into a copy, since others may hold the same weights
    try:
        yield
    finally:
        for layer, weight in zip(layers, kept, strict=True):
            layer.merged_adapters.clear()
            layer.get_base_layer().weight.data = weight
