"""Orders of writing, as permutations: step s writes position ``order[s]`` of the sentence."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


def positions(order: str | Sequence[int], length: int, seed: int = 0) -> list[int]:
    """The positions of a sentence in the order in which they are written.

    ``l2r`` and ``r2l`` go through it from either end, ``random`` is one permutation that depends on ``seed`` alone,
    ``binary_tree`` writes the middle first and then the middles of what is left and right of it, breadth-first.

    >>> positions("r2l", 4), positions("binary_tree", 7), positions([1, 0], 2)
    ([3, 2, 1, 0], [3, 1, 5, 0, 2, 4, 6], [1, 0])

    Raises:
        ValueError: where it is none of these names and no permutation of 0 … length − 1 either.
    """
    if order == "l2r":
        return list(range(length))
    if order == "r2l":
        return list(range(length))[::-1]
    if order == "random":
        return random.Random(seed).sample(range(length), length)
    if order == "binary_tree":
        return _middles(length)
    if isinstance(order, str) or sorted(order) != list(range(length)):
        raise ValueError(f"{order!r} is no order of {length} positions.")
    return list(order)


def _middles(length: int) -> list[int]:
    found, parts = [], [(0, length)]
    for begin, end in parts:  # which grows meanwhile: a queue
        if begin < end:
            middle = (begin + end - 1) // 2
            found.append(middle)
            parts += [(begin, middle), (middle + 1, end)]
    return found


def to_generation_order(x: Shaped[Tensor, "B T *rest"], order: Int[Tensor, "#B T"]) -> Shaped[Tensor, "B T *rest"]:
    """What stands at each position, in the order of writing.

    >>> to_generation_order(torch.tensor([[5, 6, 7]]), torch.tensor([[2, 0, 1]]))
    tensor([[7, 5, 6]])
    """
    return x.take_along_dim(order.view(*order.shape, *(1 for _ in x.shape[2:])), 1)


def to_reading_order(x: Shaped[Tensor, "B T *rest"], order: Int[Tensor, "#B T"]) -> Shaped[Tensor, "B T *rest"]:
    """The way back: what each step wrote, at the position where it stands.

    >>> to_reading_order(torch.tensor([[7, 5, 6]]), torch.tensor([[2, 0, 1]]))
    tensor([[5, 6, 7]])
    """
    return to_generation_order(x, order.argsort(1))


class Marginals:
    r"""P's token at every step of an order, from the probabilities of all sentences of one length.

    .. math:: P(x_{\pi_s} | x_{\pi_1}, \dots, x_{\pi_{s-1}}) \propto \sum_{\text{what is written later}} P(x)

    ``joint`` holds log P of V^T sentences, an axis for each position. Memory: about V/(V − 1) times that of ``joint``.
    """

    def __init__(self, joint: Float[Tensor, "*V"], order: Sequence[int]):
        table = joint.permute(*order)
        self.tables = [table]
        while table.dim() > 1:
            table = table.logsumexp(-1)
            self.tables.insert(0, table)

    def predict(self, written: Int[Tensor, "B T"]) -> Float[Tensor, "B T V"]:
        """log P(token) of every step after the tokens before it, in the order of writing; NaN after what P never says.

        >>> halves = torch.tensor([[0.5, 0.0], [0.25, 0.25]]).log()  # P(0 0) = ½, P(1 0) = P(1 1) = ¼
        >>> Marginals(halves, [1, 0]).predict(torch.tensor([[0, 1]])).exp()  # the second token first: 0 ¾, then 1 ⅓
        tensor([[[0.7500, 0.2500],
                 [0.6667, 0.3333]]])
        """
        steps = [table[written[:, :step].unbind(1)] if step else table for step, table in enumerate(self.tables)]
        logits = [step.expand(len(written), -1) for step in steps]
        return torch.stack(logits, 1).log_softmax(-1)
