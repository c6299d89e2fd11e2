"""The memory's step against torch's own attention, and its gates by hand."""

import torch
from torch import nn
from torch.testing import assert_close

from textgan_lit.model.generator.relational_memory import Core, RelationalMemory
from textgan_lit.types import Vocab


@torch.no_grad()
def test_a_step_is_gated_attention_to_memory_and_token():
    torch.manual_seed(0)
    core, attention = Core(6, 2), nn.MultiheadAttention(6, 2, bias=False, batch_first=True)
    attention.in_proj_weight.copy_(torch.cat([core.query.weight, core.keys_values.weight]))
    attention.out_proj.weight.copy_(torch.eye(6))
    memory, token = torch.randn(5, 3, 6), torch.randn(5, 6)
    seen = torch.cat([token.unsqueeze(1), memory], 1)  # in whatever order
    attended = core.attended_norm(memory + attention(memory, seen, seen)[0])
    candidate = core.norm(attended + core.mlp(attended))
    gates = core.gate_token(token).unsqueeze(1) + core.gate_memory(memory.tanh())
    expected = gates[..., :6].sigmoid() * candidate.tanh() + gates[..., 6:].sigmoid() * memory
    assert_close(core(token, memory), expected)
    assert core.gate_token.bias.tolist() == [0.0] * 6 + [1.0] * 6


def test_no_two_slots_begin_alike():
    (memory,) = RelationalMemory(Vocab(("a", "b")), 4, slots=3, width=6).start(2)
    assert memory.unique(dim=1).shape == (2, 3, 6)
