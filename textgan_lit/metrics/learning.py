"""How the network of a proxy learns: the same way in every run, and without a trace on the run that it looks at."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from textgan_lit.noise import reseed, stream
from textgan_lit.types import TextBatch

HELD_OUT = 5  # every fifth row says when to stop
BETTER = 1e-3  # nats that an epoch must gain to count


@contextmanager
def apart(*name: int | str, device: torch.device | str) -> Iterator[None]:
    """Gradients can be had here, and torch's own streams begin at ``name``; outside nothing is different afterwards."""
    device = torch.device(device)
    here = [] if device.type == "cpu" else [device]
    kind = "cuda" if device.type == "cpu" else device.type
    with torch.random.fork_rng(here, device_type=kind), torch.inference_mode(False), torch.enable_grad():
        reseed(*name)
        yield


def own(batch: TextBatch) -> TextBatch:
    """A copy that gradients may pass by: what was collected in Lightning's inference mode they may not."""
    return TextBatch(*(part.clone() for part in batch))


def rows_of(batch: TextBatch, index: Int[Tensor, " n"] | slice) -> TextBatch:
    return TextBatch(batch.tokens[index], batch.mask[index])


def learn(
    network: nn.Module,
    loss: Callable[[Int[Tensor, " n"]], Float[Tensor, ""]],
    rows: int,
    *name: int | str,
    lr: float,
    batch: int,
    epochs: int,
    patience: int,
    stops: Bool[Tensor, " rows"] | None = None,
) -> nn.Module:
    """Adam on some of the ``rows`` that ``loss`` can be asked about; the weights that were best on those that ``stops``
    marks, a random fifth where it marks none. Those it began with count, too.

    It stops after ``patience`` epochs without a better one. The order of the rows depends on ``name`` alone.
    """
    device, order = next(network.parameters()).device, stream(*name, "order")
    shuffled = torch.randperm(rows, generator=order)
    marked = torch.arange(rows) < max(1, rows // HELD_OUT) if stops is None else stops.cpu()[shuffled]
    held_out, seen = shuffled[marked].to(device), shuffled[~marked]
    optimizer = torch.optim.Adam(network.parameters(), lr=lr)

    def judged() -> float:
        network.eval()
        with torch.no_grad():
            return float(loss(held_out))

    least, best, waited = judged(), copy.deepcopy(network.state_dict()), 0
    for _ in range(epochs):
        network.train()
        for few in seen[torch.randperm(len(seen), generator=order)].to(device).split(batch):
            optimizer.zero_grad()
            loss(few).backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
        now, waited = judged(), waited + 1
        if now < least - BETTER:
            least, best, waited = now, copy.deepcopy(network.state_dict()), 0
        if waited >= patience:
            break
    network.load_state_dict(best)
    return network
