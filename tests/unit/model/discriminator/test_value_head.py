"""A scalar head on the generator's own body: what it reads is what G writes, and what learns is its own alone."""

import copy

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

from tests.helpers import tiny_lm
from tests.helpers.letters import LENGTH, batch, held_out_accuracy, of_letters, texts
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.value_head import ValueHead
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch

LETTERS = of_letters("abcd \n")


@pytest.fixture(scope="module", params=sorted(tiny_lm.OF_KIND))
def folder(request, tmp_path_factory):
    return tiny_lm.save(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_lm.save(tmp_path_factory.mktemp("llama"))


def writer(folder, lora=Lora(rank=2), **settings) -> Pretrained:  # noqa: B008
    torch.manual_seed(0)
    return tiny_lm.learned(Pretrained(LETTERS, LENGTH, str(folder), lora, **settings).eval())


def judge(generator, scores="sentence", lora=Lora(rank=2)) -> ValueHead:  # noqa: B008
    torch.manual_seed(1)
    return tiny_lm.learned(ValueHead(LETTERS, LENGTH, generator, lora, scores).eval())


@pytest.mark.parametrize("scores", ["sentence", "token"])
@torch.no_grad()
def test_at_first_a_score_is_a_head_on_transformers_own_states(folder, scores):
    """After the generator's beginning, each token and its first end of a text; without what the generator learned,
    wherever its own adapters are."""
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    some = "all-linear" if scores == "token" else [{"gpt2": "c_attn"}.get(theirs.config.model_type, "q_proj")]
    made = ValueHead(LETTERS, LENGTH, writer(folder, beginning="<s>ab"), Lora(rank=2, targets=some), scores).eval()
    names = tiny_lm.tokens_of("abcd \n")
    for text, found in zip(texts(), made(*batch(LETTERS, texts())), strict=True):
        ids = [names.index(name) for name in ("<s>", *"ab", *text, *["</s>"][: LENGTH - len(text)])]
        states = theirs(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0, 3:]
        wanted = made.head(states).squeeze(1)
        if scores == "sentence":
            assert_close(found, wanted[-1], atol=1e-5, rtol=0)
        else:
            assert_close(found[: len(wanted)], wanted, atol=1e-5, rtol=0)


@torch.no_grad()
def test_at_first_it_says_little(llama):
    made = ValueHead(LETTERS, LENGTH, writer(llama), Lora(rank=2))
    assert 0 < made(*batch(LETTERS, texts())).abs().max() < 1


@pytest.mark.parametrize("scores", ["sentence", "token"])
@torch.no_grad()
def test_padding_and_the_other_sentences_change_no_score(folder, scores):
    made, (tokens, mask) = judge(writer(folder), scores), batch(LETTERS, texts(), 9)
    found = made(tokens, mask)
    assert found.shape == (mask.shape if scores == "token" else mask.shape[:1])
    assert_close(made(tokens.masked_fill(~mask, 5), mask), found)
    for row, score in enumerate(found):
        n = int(mask[row].sum())
        alone = made(tokens[row : row + 1, :n], mask[row : row + 1, :n])[0]
        assert_close(alone, score if scores == "sentence" else score[:n], atol=1e-5, rtol=0)
    if scores == "token":
        assert (found[~mask] == 0).all()


@torch.no_grad()
def test_a_token_is_judged_by_those_before_it(folder):
    made, (tokens, mask) = judge(writer(folder), "token"), batch(LETTERS, ["abcdabcd"])
    before = made(tokens, mask)
    for t in range(8):
        changed = tokens.clone()
        changed[:, t] = LETTERS.encode("d" if "abcdabcd"[t] != "d" else "a")[0]
        after = made(changed, mask)
        assert_close(after[:, :t], before[:, :t])
        assert ((after - before)[:, t:9].abs() > 1e-4).all()


def test_a_step_of_either_moves_what_is_its_own(folder):
    generator = writer(folder)
    made = judge(generator).train()
    base = {id(weight) for weight in generator.fixed()}
    assert base
    assert base <= {id(weight) for weight in made.parameters()}, "the base is held twice"
    for player, score in (
        (made, lambda: made(*batch(LETTERS, texts())).square().sum()),
        (generator, lambda: -generator.logp(batch(LETTERS, texts()), Categorical()).mean()),
    ):
        both = {name: weight for some in (made, generator) for name, weight in _named(some)}
        before = copy.deepcopy(both)
        own = {name for name, weight in _named(player) if weight.requires_grad}
        score().backward()
        torch.optim.SGD([weight for weight in player.parameters() if weight.requires_grad], lr=1.0).step()
        assert {name for name, weight in both.items() if not torch.equal(weight, before[name])} == own
        assert all(".lora_" in name or ".head." in name for name in own)


def _named(player):
    return [(f"{type(player).__name__}.{name}", weight) for name, weight in player.named_parameters()]


def test_where_all_of_g_learns_it_keeps_a_copy_that_stays(llama):
    generator = writer(llama, lora=None)
    made = judge(generator)
    places = {weight.data_ptr() for weight in generator.parameters()}
    assert not places & {weight.data_ptr() for weight in made.parameters()}
    scores = made(*batch(LETTERS, texts()))
    (-generator.logp(batch(LETTERS, texts()), Categorical()).mean()).backward()
    torch.optim.SGD(generator.parameters(), lr=1.0).step()
    assert torch.equal(made(*batch(LETTERS, texts())), scores)
    assert all(".lora_" in name or name.startswith("head.") for name in made.state_dict())


@torch.no_grad()
def test_while_g_writes_nobody_else_meets_its_adapters(folder):
    """Merged weights are the writer's own: a reference and a discriminator that share the base score as ever."""
    generator = writer(folder)
    made, reference, sentences = judge(generator), generator.frozen(), batch(LETTERS, texts())
    tiny_lm.learned(generator)
    for weight in (weight for name, weight in generator.named_parameters() if "lora_B" in name):
        weight.add_(1.0)
    score, density = made(*sentences), reference.logp(sentences, Categorical())
    with generator.decoding():
        assert not torch.allclose(generator.logp(sentences, Categorical()), density)
        assert torch.equal(made(*sentences), score)
        assert torch.equal(reference.logp(sentences, Categorical()), density)


@torch.no_grad()
def test_what_is_saved_has_learned_and_is_enough(folder):
    generator = writer(folder)
    made, sentences = judge(generator), batch(LETTERS, texts())
    saved = made.state_dict()
    assert all(".lora_" in name or name.startswith("head.") for name in saved)
    fresh = ValueHead(LETTERS, LENGTH, writer(folder), Lora(rank=2)).eval()
    assert not torch.allclose(fresh(*sentences), made(*sentences), atol=1e-3)
    fresh.load_state_dict(saved)
    assert_close(fresh(*sentences), made(*sentences))
    assert made.base == generator.base


@pytest.mark.parametrize("scores", ["sentence", "token"])
@torch.no_grad()
def test_one_that_is_given_the_density_wraps_it_on_one_base(llama, scores):
    """As G moves, so does the score; critic, reference and generator hold one base."""
    generator = writer(llama)
    aware = DensityAware(LETTERS, LENGTH, generator, judge(generator, scores)).eval()
    assert {id(weight) for weight in generator.fixed()} == {
        id(weight) for name, weight in aware.named_parameters() if not (".lora_" in name or ".head." in name)
    }
    assert (aware.base, aware.scores) == (generator.base, scores)
    sentences = batch(LETTERS, texts())
    before, critic = generator.logp(sentences, Categorical()), aware.critic(*sentences)
    aware.sync_with(generator)
    tiny_lm.learned(generator)
    for weight in (weight for name, weight in generator.named_parameters() if "lora_B" in name):
        weight.neg_()
    moved = (before - generator.logp(sentences, Categorical())) * sentences.mask
    moved = moved.cumsum(1) * sentences.mask if scores == "token" else moved.sum(1)
    assert moved.abs().max() > 0.1
    game = Game(generator, aware, Categorical(), Noise(0))
    assert_close(game.score(*sentences), critic + moved, atol=1e-4, rtol=0)
    assert all(".lora_" in name or ".head." in name for name in aware.state_dict().keys() - {"met"})


def test_adapters_that_match_nothing_are_refused(llama):
    with pytest.raises(UserError, match=r"discriminator\.lora\.targets.*match no layer.*q_proj"):
        ValueHead(LETTERS, LENGTH, writer(llama), Lora(targets=["lm_head"]))


def test_a_generator_without_a_pretrained_body_is_refused():
    with pytest.raises(UserError, match=r"G's pretrained body, and LSTM has none. Use model/generator=pretrained"):
        ValueHead(LETTERS, LENGTH, LSTM(LETTERS, LENGTH), Lora())


@pytest.mark.parametrize("scores", ["sentence", "token"])
def test_it_learns_to_tell_two_worlds_apart_and_not_one(llama, scores):
    told, control = (held_out_accuracy(judge(writer(llama), scores), LETTERS, other) for other in ("bc", "ab"))
    assert told > 0.9
    assert abs(control - 0.5) < 0.1


@torch.no_grad()
def test_it_reads_to_the_last_position_that_the_generator_may_write(tmp_path):
    """Where sentences fill what the model reads, the beginning and all tokens are read."""
    folder = tiny_lm.save(tmp_path, "gpt2")
    generator = Pretrained(LETTERS, 31, str(folder), Lora(rank=2)).eval()
    tokens = torch.full((1, 31), LETTERS.encode("a")[0])
    assert judge(generator)(*TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool))).isfinite().all()
