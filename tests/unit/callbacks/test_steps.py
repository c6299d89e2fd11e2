"""What is kept between two rows of the log outlives a run's end, each process's own numbers."""

import pytest
import torch

from textgan_lit.callbacks import steps
from textgan_lit.callbacks.steps import Steps

MINE = [[1.0, 2.0], [3.0, 5.0], [4.0, 9.0]]  # by step: loss and accuracy
THEIRS = [[0.0, 4.0], [2.0, 7.0], [4.0, 1.0]]


def kept(rows):
    return {"generator": [dict(zip(("loss", "accuracy"), map(torch.tensor, row), strict=True)) for row in rows]}


def as_process(monkeypatch, rank, processes, ranks=None):
    """The callback in one of several processes, which hear ``ranks`` where they ask for everyone's numbers."""
    monkeypatch.setattr(steps, "rank", lambda: rank)
    monkeypatch.setattr(steps, "world_size", lambda: processes)
    monkeypatch.setattr(steps, "of_every_rank", lambda table: table.unsqueeze(0) if ranks is None else ranks)
    return Steps()


def test_a_process_alone_takes_up_its_numbers(monkeypatch):
    before, after = Steps(), Steps()
    before.kept, before.d_steps = kept(MINE), [3, 1]
    after.load_state_dict(before.state_dict())
    assert (after.kept, after.d_steps) == (kept(MINE), [3, 1])


@pytest.mark.parametrize(("rank", "own"), [(0, MINE), (1, THEIRS)])
def test_each_process_takes_up_its_own(monkeypatch, rank, own):
    both = torch.tensor([MINE, THEIRS])
    before = as_process(monkeypatch, 0, 2, both)
    before.kept = kept(MINE)
    saved = before.state_dict()
    after = as_process(monkeypatch, rank, 2)
    after.load_state_dict(saved)
    assert after.kept == kept(own)


@pytest.mark.parametrize("processes", [1, 3])
def test_where_they_are_more_or_fewer_all_take_the_mean(monkeypatch, processes):
    before = as_process(monkeypatch, 0, 2, torch.tensor([MINE, THEIRS]))
    before.kept = kept(MINE)
    saved = before.state_dict()
    after = as_process(monkeypatch, processes - 1, processes)
    after.load_state_dict(saved)
    assert after.kept == kept([[0.5, 3.0], [2.5, 6.0], [4.0, 5.0]])
