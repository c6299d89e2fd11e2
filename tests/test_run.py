"""What a run that was played can be asked for. That it is the same run: test_system.py."""

import pytest
import torch

from tests.enumeration import Additive, lively
from textgan_lit.errors import UserError
from textgan_lit.game import Game
from textgan_lit.generator.lstm import LSTM
from textgan_lit.noise import Noise
from textgan_lit.policy import Categorical
from textgan_lit.run import Run
from textgan_lit.types import Vocab

VOCAB = Vocab(("a", "b", "c"), has_eos=True)


def run(discriminator=None):
    return Run(lively(LSTM(VOCAB, 3, embedding=3, hidden=4)), VOCAB, {}, Categorical(), discriminator)


def test_one_candidate_is_a_sample():
    plain, judged = run().sample(30, seed=4), run(Additive(VOCAB, 3)).sample(30, seed=4, candidates=1)
    assert plain == judged
    assert plain != run().sample(30, seed=5)


def test_of_several_candidates_the_discriminator_chooses():
    judge = Additive(VOCAB, 3)
    judge.weight.data = torch.tensor([[30.0, 0, 0, 0], [0, 30.0, 0, 0], [0, 0, 30.0, 0]])
    opened = run(judge)
    chosen = opened.sample(30, candidates=200)
    assert chosen.count("a b c") > 25 > opened.sample(30).count("a b c") + 10
    assert chosen == opened.sample(30, candidates=200)
    game = Game(opened.generator, judge, opened.policy, Noise(0, "sample"))
    assert chosen == [VOCAB.text(row) for row in game.choose(30, 200).tokens.tolist()]


def test_without_a_discriminator_there_is_nobody_to_choose():
    with pytest.raises(UserError, match=r"candidates=2\).*this run has none.*Leave candidates out"):
        run().sample(3, candidates=2)
