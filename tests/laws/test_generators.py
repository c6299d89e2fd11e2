"""What holds for every generator, in worlds whose sentences can all be listed."""

import pytest
import torch
from scipy.stats import chisquare
from torch.testing import assert_close

import textgan_lit.model.generator
from tests.helpers.given import Given
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.functional.relaxation import one_hot
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.generator.base import DecodeState, Generator
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.manager_worker import ManagerWorker
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.mixture import Mixture
from textgan_lit.model.generator.one_shot import OneShot
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.generator.relational_memory import RelationalMemory
from textgan_lit.model.generator.transformer import Transformer
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.policy import Categorical, Greedy, Nucleus, TopK
from textgan_lit.types import TextBatch, Vocab

LENGTH = 4
SMALL = [
    (Markov, {}),
    (Markov, {"order": 2, "positional": True}),
    (LSTM, {"embedding": 3, "hidden": 5, "layers": 2, "dropout": 0.5}),
    (Transformer, {"width": 8, "heads": 2, "dropout": 0.5}),
    (OneShot, {"latent": 2, "width": 8, "heads": 2}),  # exact only given its latent
    (VAE, {"latent": 2, "embedding": 3, "hidden": 5, "layers": 2, "dropout": 0.5}),  # exact only given its latent
    (LSTM, {"embedding": 3, "hidden": 5, "order": "r2l"}),
    (LSTM, {"embedding": 3, "hidden": 5, "any_order": True}),
    (Transformer, {"width": 8, "heads": 2, "order": "binary_tree", "any_order": True}),
    (RelationalMemory, {"embedding": 3, "slots": 2, "width": 6, "heads": 2}),
    (ManagerWorker, {"embedding": 3, "hidden": 5, "goal": 3, "horizon": 2}),
    (Mixture, {"member": Markov, "members": 3}),
    (Mixture, {"member": LSTM}),
    (Mixture, {"member": Transformer}),
]
MEMBERS = {Markov: {}, LSTM: {"embedding": 3, "hidden": 5}, Transformer: {"width": 8, "heads": 2, "dropout": 0.5}}
POLICIES = [Categorical(), Categorical(0.7), TopK(2), Nucleus(0.8), Greedy()]


@pytest.fixture(params=SMALL, ids=lambda case: "-".join([case[0].__name__, *map(str, case[1].values())]))
def generator(request, vocab, unlike):
    kind, options = request.param
    if vocab.has_eos and {"order", "any_order"} & options.keys() and kind is not Markov:
        pytest.skip("where sentences vary in length they are written left to right")
    if "member" in options:
        options = options | {"member": options["member"](vocab, LENGTH, **MEMBERS[options["member"]])}
    if kind is ManagerWorker:
        options = options | {
            "leaked_discriminator": lambda: Conv(vocab, LENGTH, filters=[(1, 3), (3, 5)], embedding=3, views=2)
        }
    made = unlike(kind(vocab, LENGTH, **options))
    return Given(made, torch.tensor([[0.7, -1.2]])).eval() if made.latent else made


def at_once(generator):
    """Whether the tokens before a token say nothing of it, once its latent is known."""
    return isinstance(getattr(generator, "generator", None), OneShot)


@pytest.fixture
def noise():
    return torch.rand(200, LENGTH, generator=torch.Generator().manual_seed(1))


def learning(generator):
    return [weight for weight in generator.parameters() if weight.requires_grad]


def stepped(generator, inputs, state=None):
    """The logits of ``inputs`` token by token, Float[B T V]."""
    logits, state = [], generator.start(len(inputs)) if state is None else state
    for token in inputs.unbind(1):
        features, state = generator.advance(token, state)
        logits.append(generator.head(features))
    return torch.stack(logits, 1)


def test_every_generator_is_under_these_laws(every):
    """But for those that do not write token after token, whose are in laws/test_latents.py, and the one that is opened
    from a folder: unit/model/generator/test_pretrained.py."""
    after = {kind for kind in every(textgan_lit.model.generator, Generator) if kind.autoregressive}
    assert after == {*(kind for kind, _ in SMALL), Pretrained}


@torch.no_grad()
def test_what_becomes_of_a_frozen_copy_becomes_of_it_alone(generator):
    """Weights that do not learn among them: a player's view of the other follows the game."""
    before = {name: weight.clone() for name, weight in generator.state_dict().items()}
    for weight in generator.frozen().state_dict().values():
        weight.add_(1)
    assert all(torch.equal(weight, before[name]) for name, weight in generator.state_dict().items())


def test_all_sentences_together_have_probability_one(generator, sentences):
    logp = generator.logp(sentences, Categorical()).sum(1)
    assert_close(logp.double().exp().sum().item(), 1.0, rtol=0, atol=1e-5)
    assert logp.std() > 0.1  # not just the uniform distribution


@torch.no_grad()
def test_stepping_equals_teacher_forcing(generator, sentences):
    inputs = inputs_of(sentences.tokens, generator.vocab.bos)
    assert_close(stepped(generator, inputs), generator.logits(inputs))


def test_stepping_has_the_gradient_of_teacher_forcing(generator, sentences):
    inputs = inputs_of(sentences.tokens, generator.vocab.bos)
    weight = torch.randn(generator.logits(inputs).shape, generator=torch.Generator().manual_seed(2))
    step, forced = (
        torch.autograd.grad((weight * logits).mean(), learning(generator))
        for logits in (stepped(generator, inputs), generator.logits(inputs))
    )
    assert_close(step, forced)
    assert all(gradient.any() for gradient in forced)


def test_a_few_rows_of_logits_at_a_time_change_nothing(generator, sentences, noise, monkeypatch):
    def written_and_scored():
        logp = generator.logp(sentences, Categorical())
        gradient = torch.autograd.grad((logp * torch.arange(logp.shape[1])).sum(), learning(generator))
        return generator.sample(noise, Categorical()), logp, gradient

    whole = written_and_scored()
    monkeypatch.setattr("textgan_lit.model.generator.base.AT_ONCE", 1)
    monkeypatch.setattr("textgan_lit.model.generator.base.FEWEST_ROWS", 7)
    monkeypatch.setattr("textgan_lit.model.generator.base.KEPT", 0)  # computed again on the way back
    monkeypatch.setattr("textgan_lit.model.generator.base.SENTENCES", 11)
    assert generator.rows_at_once() == 7
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda saved: kept.append(saved) or saved, lambda saved: saved):
        generator.logp(sentences, Categorical())
    if all(type(part).head is not Generator.head for part in (generator, *getattr(generator, "members", ()))):
        assert not any(saved.shape == (7, generator.vocab.size) for saved in kept)  # nothing as large as the logits
    assert_close(written_and_scored(), whole, rtol=1e-5, atol=1e-3)  # gradients are in the hundreds


@torch.no_grad()
def test_a_token_never_changes_the_logits_before_it(generator, sentences):
    inputs = inputs_of(sentences.tokens, generator.vocab.bos)
    for t in range(LENGTH):
        changed = inputs.clone()
        changed[:, t] = (changed[:, t] + 1) % generator.vocab.inputs
        before, after = generator.logits(inputs), generator.logits(changed)
        assert_close(after[:, :t], before[:, :t])
        assert torch.allclose(after[:, t], before[:, t]) == at_once(generator)


@torch.no_grad()
def test_what_stands_on_padding_changes_nothing(generator, sentences):
    tokens, mask = sentences
    other = tokens.where(mask, torch.randint(0, generator.vocab.inputs, tokens.shape))
    inputs, others = (inputs_of(ids, generator.vocab.bos) for ids in (tokens, other))
    assert_close(generator.logits(others)[mask], generator.logits(inputs)[mask])
    logp = generator.logp(TextBatch(other, mask), Categorical())
    assert_close(logp, generator.logp(sentences, Categorical()))
    assert (logp[~mask] == 0).all()


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: type(policy).__name__)
def test_what_sampling_calls_a_probability_rescoring_calls_so_too(generator, noise, policy):
    rollout = generator.sample(noise, policy)
    assert_close(rollout.logp, generator.logp(rollout.batch, policy).detach())
    assert (rollout.tokens[~rollout.mask] == generator.vocab.pad).all()
    assert (rollout.tokens[rollout.mask] < generator.vocab.size).all()


def test_sentences_are_as_frequent_as_they_are_probable(generator, sentences):
    n, stream = 10_000, torch.Generator().manual_seed(3)
    tokens = generator.sample(torch.rand(n, LENGTH, generator=stream), Categorical()).tokens
    seen = (tokens[:, None] == sentences.tokens).all(2).sum(0)
    assert seen.sum() == n  # nothing was written that is not a sentence
    expected = generator.logp(sentences, Categorical()).sum(1).detach().double().exp() * n
    rare = expected <= expected.min().clamp_min(5)  # counted as one cell
    seen, expected = (torch.cat([x[~rare].double(), x[rare].sum().view(1)]) for x in (seen, expected))
    assert chisquare(seen, expected * n / expected.sum()).pvalue > 0.001


def test_the_same_noise_writes_the_same_sentences(generator, noise):
    before = torch.get_rng_state()
    tokens = generator.sample(noise, Categorical()).tokens
    assert generator.sample(noise, Categorical()).tokens.equal(tokens)
    assert generator.sample(noise[50:60], Categorical()).tokens.equal(tokens[50:60])
    assert not generator.sample(noise.flip(1), Categorical()).tokens.equal(tokens)
    assert torch.get_rng_state().equal(before)


@torch.no_grad()
def test_states_have_the_batch_first(generator):
    _, after = generator.advance(torch.zeros(7, dtype=torch.long), generator.start(7))
    assert {len(leaf) for leaf in (*generator.start(7), *after)} == {7}


def test_one_hot_tokens_advance_as_the_tokens_themselves(generator, sentences):
    """And a gradient passes through them: every token changes what is said after it."""
    if not generator.accepts_soft:
        pytest.skip("reads whole tokens only")
    # (after eos nothing is said)
    full = sentences.tokens[sentences.mask.all(1)]
    inputs = inputs_of(full, generator.vocab.bos)
    soft = one_hot(full, torch.ones_like(full, dtype=torch.bool), generator.vocab.size).requires_grad_()
    features, state = generator.advance(inputs[:, 0], generator.start(len(inputs)))
    logits = [generator.head(features)]
    for token in soft.unbind(1)[:-1]:
        features, state = generator.advance(token, state)
        logits.append(generator.head(features))
    logits = torch.stack(logits, 1)
    assert_close(logits, generator.logits(inputs))
    (slope,) = torch.autograd.grad(logits[:, -1, 0].sum() + 0 * soft.sum(), soft)
    assert (slope[:, :-1].abs().sum(2) > 1e-8).all() or at_once(generator)


def test_who_reads_soft_tokens():
    assert {kind for kind, _ in SMALL if kind.accepts_soft} == {LSTM, OneShot, Transformer, VAE, RelationalMemory}


@pytest.fixture
def kept(generator, sentences):
    """States kept while the sentences were written to their ends: kept[t] has read t tokens, other tokens follow."""
    inputs = inputs_of(sentences.tokens, generator.vocab.bos)
    other = torch.randint(0, generator.vocab.size, inputs.shape, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        states = [generator.start(len(inputs))]
        for token in inputs.unbind(1):
            states.append(generator.advance(token, states[-1])[1])
        wanted = [generator.logits(torch.cat([inputs[:, :t], other[:, t:]], 1)) for t in range(LENGTH)]
    return states, other, wanted


@torch.no_grad()
def test_a_state_kept_aside_still_stands_for_its_tokens(generator, kept):
    states, other, wanted = kept
    for t in reversed(range(LENGTH)):
        assert_close(stepped(generator, other[:, t:], states[t]), wanted[t][:, t:])


@torch.no_grad()
def test_rows_of_kept_states_can_be_chosen_repeated_and_joined(generator, kept):
    """The way of Monte Carlo rollouts: rows in any order, each several times, from states of unequal length."""
    states, other, wanted = kept
    rows = torch.randperm(len(other), generator=torch.Generator().manual_seed(5))[:20].repeat_interleave(3)
    decodings = [DecodeState(other[:, t], states[t], torch.ones(len(other), dtype=torch.bool)) for t in (2, 1)]
    joined = DecodeState.join([decoding.rows(rows) for decoding in decodings])
    logits = stepped(generator, torch.cat([other[rows, 2:4], other[rows, 1:3]]), joined.state)
    assert_close(logits, torch.cat([wanted[2][rows, 2:4], wanted[1][rows, 1:3]]))


@torch.no_grad()
def test_branches_with_memory_of_their_own_live_side_by_side(generator, kept):
    states, other, wanted = kept
    rows = torch.arange(len(other))
    (one, two), turned = (DecodeState(other[:, 1], states[1], rows > 0).rows(rows).state for _ in (0, 1)), other.flip(0)
    for t in range(1, LENGTH):
        features, one = generator.advance(other[:, t], one)
        _, two = generator.advance(turned[:, t], two)
        assert_close(generator.head(features), wanted[1][:, t])


@pytest.mark.parametrize("kind", [Transformer, RelationalMemory])
def test_heads_that_do_not_divide_the_width_are_refused(kind):
    with pytest.raises(UserError, match=r"width=10 and heads=4.*that 4 divides, for example 8"):
        kind(Vocab(("a", "b")), LENGTH, width=10, heads=4)
