"""MAUVE of one reader's features: clusters that can be told by eye, a world whose truth is known, the authors' code."""

import pytest
import torch

from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.errors import UserError
from textgan_lit.metrics.mauve import Mauve, histograms
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import stream
from textgan_lit.types import TextBatch, Vocab

pytest.importorskip("scipy")
VOCAB = Vocab(tuple("abcd"), has_eos=True)


def nothing(split: str) -> TextBatch:
    raise AssertionError(f"{split} is not asked for")


def cloud(name: str, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(500, 8, generator=stream(name)).double() + shift


def test_three_heaps_are_three_clusters():
    heaps = torch.tensor([[0.0, 0], [10, 0], [0, 10]]).double()
    near = 0.1 * torch.randn(20, 2, generator=stream("near")).double()
    p, q = histograms(heaps[[0] * 5 + [1] * 5 + [0] * 8 + [2] * 2] + near, clusters=3)
    assert sorted(zip(p.tolist(), q.tolist(), strict=True)) == [(0, 0.2), (0.5, 0), (0.5, 0.8)]


def test_points_that_are_all_alike_are_one_cluster():
    p, q = histograms(torch.ones(40, 3).double(), clusters=4)
    assert p.tolist() == q.tolist() == [1]


def test_it_falls_from_one_to_none_as_clouds_part_and_nothing_is_drawn():
    metric = Mauve(VOCAB, 5, nothing)
    torch.manual_seed(1)
    values = [float(metric.between(cloud("a"), cloud("b", shift))[""]) for shift in (0.0, 0.5, 1.0, 4.0)]
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.rand(3).equal(drawn)
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.9
    assert values[-1] < 0.02
    assert float(metric.between(cloud("a"), cloud("a"))[""]) == pytest.approx(1)
    assert float(metric.between(cloud("a"), cloud("b"))[""]) == values[0]


@pytest.mark.slow
def test_samples_of_the_data_are_near_their_ceiling_and_dull_ones_far_below():
    world = OracleLSTM(vocab_size=50, length=6, seed=1)

    def text(name: str, temperature: float = 1.0) -> TextBatch:
        noise = torch.rand(600, world.max_length, generator=stream(name))
        return world.sample(noise, Categorical(temperature)).batch

    metric, real, found = Mauve(world.vocab, world.max_length, text), text("real"), []
    dull = TextBatch(text("fake").tokens[:1].expand(600, -1).clone(), text("fake").mask)
    for fake in (text("fake"), text("fake", 0.6), text("fake", 0.3), dull):
        value, ceiling = metric.measure(real, fake).values()
        found.append(float(value) / float(ceiling))
    assert 0.9 < found[0] < 1.1
    assert found == sorted(found, reverse=True)
    assert found[2] < 0.8
    assert found[3] < 0.05


@pytest.mark.parametrize("shift", [0.0, 0.3, 0.6])
def test_the_authors_code_agrees_but_for_where_its_clusters_begin(shift):
    theirs = pytest.importorskip("mauve.compute_mauve")
    real, other = cloud("a"), cloud("b", shift)
    given = {"p_features": real.float().numpy(), "q_features": other.float().numpy()}
    said = [theirs.compute_mauve(**given, seed=seed) for seed in range(4)]
    assert {one.num_buckets for one in said} == {50}
    mean = sum(one.mauve for one in said) / 4  # one value varies by 0.03 with the seed
    assert float(Mauve(VOCAB, 5, nothing).between(real, other)[""]) == pytest.approx(mean, abs=0.08)


def test_without_scipy_it_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("textgan_lit.metrics.features.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"mauve takes scipy, .*pip install \"textgan_lit\[mauve\]\""):
        Mauve(VOCAB, 5, nothing)


def test_too_few_sentences_are_not_measured():
    few = TextBatch(torch.zeros(9, 5).long(), torch.ones(9, 5).bool())
    assert Mauve(VOCAB, 5, lambda _: few).measure(few, few) == {}
