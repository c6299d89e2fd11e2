"""Adapters of a low rank, which learn in place of the weights beside them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Gt, Interval
from torch import Tensor, nn

from textgan_lit.errors import UserError, shown
from textgan_lit.functional.linear import laid_out


class Lora(NamedTuple):
    """W + (alpha / rank) · B A in place of W, where A and B alone learn (Hu et al. 2021, arXiv:2106.09685).

    ``targets`` are the names of the linear layers that get them, as peft takes them: how a layer's name ends, or
    ``all-linear``. At first B = 0, so nothing is changed. They are in float32 beside weights of fewer bits, too.
    """

    rank: Annotated[int, Interval(ge=1, le=1024)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    targets: Literal["all-linear"] | list[str] = "all-linear"

    def put_into(self, network: nn.Module, where: str) -> None:
        """Gives ``network`` adapters, in place of those it has; nothing else in it learns from then on."""
        try:
            from peft import LoraConfig, inject_adapter_in_model
            from peft.tuners.tuners_utils import cast_adapter_dtype
        except ImportError:
            raise UserError(f'{where}.lora needs peft. Install it: pip install "textgan_lit[lm]"') from None
        _take_out(network)
        settings = LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=self.targets)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # GPT-2's layers are stored transposed: peft sees to it, and says so
                inject_adapter_in_model(settings, network)
            cast_adapter_dtype(network, "default")  # to float32: in bfloat16 most of a small step would be rounded away
        except ValueError as error:
            names = {name.rpartition(".")[2] for name, layer in network.named_modules() if isinstance(layer, nn.Linear)}
            raise UserError(
                f"{where}.lora.targets={shown(str(self.targets))} match no layer of this model "
                f"({shown(str(error))}). It has {', '.join(sorted(names))}; or give all-linear."
            ) from None


def _take_out(network: nn.Module) -> None:
    """Leaves ``network`` as it was without adapters; its other weights are the same ones."""
    for name, layer in list(network.named_modules()):
        if hasattr(layer, "get_base_layer"):
            network.set_submodule(name, layer.get_base_layer())


@torch.no_grad()
def scale(network: nn.Module, by: float) -> bool:
    """Lets what adapters add to the weights of ``network`` count ``by`` times; whether it has any."""
    last = [weight for name, weight in network.named_parameters() if ".lora_B." in name]
    for weight in last:
        weight.mul_(by)
    return bool(last)


@contextmanager
def merged(network: nn.Module) -> Iterator[None]:
    """For as long, each linear layer is one product by a weight that lies as products read it best, adapters within.

    The weights themselves stay where and as they are, to the bit: who shares them reads them as ever. Nothing learns
    meanwhile.
    """
    layers = [layer for layer in _linear_layers(network) if "forward" not in vars(layer)]
    with torch.no_grad():
        for layer in layers:
            layer.forward = laid_out(*_as_one(layer))
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def _linear_layers(network: nn.Module) -> Iterator[nn.Module]:
    for layer in network.children():
        if isinstance(layer, nn.Linear) or hasattr(layer, "lora_A"):
            yield layer
        else:
            yield from _linear_layers(layer)


def _as_one(layer: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a layer, with its adapters where it has some."""
    if isinstance(layer, nn.Linear):
        return layer.weight, layer.bias
    base, transposed = layer.get_base_layer(), layer.fan_in_fan_out
    weight = base.weight.t() if transposed else base.weight
    for name in () if layer.disable_adapters else layer.active_adapters:
        after, before = layer.lora_B[name].weight.to(weight), layer.lora_A[name].weight.to(weight)
        weight = torch.addmm(weight, after, before, alpha=layer.scaling[name])
    return weight, base.bias


def state_is_what_learns(network: nn.Module) -> None:
    """From now on the state of ``network`` is what learns in it at this moment.

    The others, named by ``network.elsewhere``, are in the files that it was opened from, or have another name.
    """
    if not hasattr(network, "elsewhere"):
        network.register_state_dict_post_hook(_leave_out_the_base)
        network.register_load_state_dict_post_hook(_do_without_the_base)
    network.elsewhere = frozenset()
    learns = {name for name, weight in network.named_parameters() if weight.requires_grad}
    network.elsewhere = frozenset(network.state_dict().keys() - learns)


def _leave_out_the_base(network: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for name in network.elsewhere:
        state.pop(prefix + name, None)


def _do_without_the_base(network: nn.Module, incompatible: Any) -> None:
    missing = [name for name in incompatible.missing_keys if not name.endswith(tuple(network.elsewhere))]
    incompatible.missing_keys[:] = missing
