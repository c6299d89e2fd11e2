"""Weights that were read from a file are those of what was built, or refused by name."""

import pytest
import torch

from textgan_lit.errors import UserError
from textgan_lit.model.weights import check_fit

WANTED = {
    "table": torch.zeros(2, 3),
    "ids": torch.zeros(4, dtype=torch.long),
    "met": torch.zeros((), dtype=torch.long),
    "mask": torch.zeros(2, dtype=torch.bool),
    "empty": torch.zeros(0, dtype=torch.long),
    "_extra_state": {},
}
INF = float("inf")


def test_what_fits_is_taken_whatever_its_precision_or_device():
    check_fit(WANTED, {**WANTED, "_extra_state": 3}, "Net", 5)
    check_fit(WANTED, {**WANTED, "table": torch.ones(2, 3, dtype=torch.bfloat16), "met": torch.tensor(10**9)}, "Net", 5)
    bare = {name: value.to("meta") if torch.is_tensor(value) else value for name, value in WANTED.items()}
    check_fit(bare, WANTED, "Net", 5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"more": torch.ones(1)}, "It has the weight more, unlike its Net"),
        ({"table": torch.ones(3, 2)}, r"Net's table is Float\[3, 2\], wanted Float\[2, 3\]"),
        ({"table": torch.ones(2, 3).long()}, r"Net's table is int64\[2, 3\], wanted Float\[2, 3\]"),
        ({"table": torch.ones(2, 3, dtype=torch.complex64)}, r"Net's table is complex64"),
        ({"table": [1.0]}, r"Net's table is \[1.0\], wanted a tensor"),
        ({"table": torch.full((2, 3), float("nan"))}, "Net's table holds numbers that are none"),
        ({"table": torch.tensor([[0.0, 0, 0], [0, 0, -INF]])}, "Net's table holds numbers that are none"),
        ({"ids": torch.tensor([0, 1, 5, 2])}, r"Net's ids holds 5, wanted 0 or more, and less than 5"),
        ({"ids": torch.tensor([0, 1, -1, 2])}, r"Net's ids holds -1, wanted 0 or more"),
        ({"met": torch.tensor(-1)}, r"Net's met holds -1"),
    ],
)
def test_what_does_not_is_refused_by_name(changes, said):
    with pytest.raises(UserError, match=f"^{said}"):
        check_fit(WANTED, {**WANTED, **changes}, "Net", 5)
    with pytest.raises(UserError, match=r"^It lacks the weight met, unlike its Net"):
        check_fit(WANTED, {name: value for name, value in WANTED.items() if name != "met"}, "Net", 5)
