"""While sentences and rollouts are written, nobody waits to read a number: on a GPU each such look costs a stall."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from textgan_lit.model.credit import continuations
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.masked_diffusion import MaskedDiffusion
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.policy import Categorical, Greedy, Nucleus, TopK
from textgan_lit.noise import Noise
from textgan_lit.types import Vocab

# What copies a number to the host, or needs one to know how large its result is.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "is_nonzero", "equal"}


class Looks(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.name().partition("::")[2].partition(".")[0]
        moves = name == "_to_copy" and (kwargs or {}).get("device") is not None
        by_mask = name == "index" and any(key is not None and key.dtype == torch.bool for key in args[1])
        if by_mask or moves or name in WAITING:
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "policy",
    [Categorical(), Categorical(0.7), Greedy(), TopK(3), Nucleus(0.8)],
    ids=lambda policy: type(policy).__name__,
)
@pytest.mark.parametrize("kind", [LSTM, MaskedDiffusion, OneShot, Transformer, VAE])
@pytest.mark.parametrize("size", [5, 500])
@torch.no_grad()
def test_writing_never_waits(kind, size, policy):
    generator = kind(Vocab(tuple(map(str, range(size))), has_eos=True), 4).eval()
    game = Game(generator, None, policy, Noise(0))
    noise, later = torch.rand(6, generator.uniforms), torch.rand(6, 6, 2)
    with Looks() as looks:
        rollout = generator.sample(noise, policy)
        if generator.autoregressive:
            continuations(game, rollout.tokens, later, rollout.latent)
    assert looks.seen == []


def test_a_look_is_seen():
    with Looks() as looks:
        torch.ones(1).item()
        torch.ones(2)[torch.ones(2, dtype=torch.bool)]
        torch.ones(2).nonzero()
    assert looks.seen == ["_local_scalar_dense", "index", "nonzero"]
