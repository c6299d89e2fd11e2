"""A pretrained encoder judges text: a score is a head on transformers' own states, and what is kept has learned."""

import copy
import json
import warnings

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

from tests.helpers import tiny_lm
from tests.helpers.letters import LENGTH, WORDS, batch, held_out_accuracy, of_letters, texts
from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.conv import Conv
from textgan_lit.model.discriminator.encoder import Encoder
from textgan_lit.model.discriminator.spectral import Spectral
from textgan_lit.model.lora import Lora
from textgan_lit.types import Vocab


@pytest.fixture(scope="module", params=sorted(tiny_lm.ENCODERS))
def folder(request, tmp_path_factory):
    return tiny_lm.save_encoder(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return tiny_lm.save_encoder(tmp_path_factory.mktemp("bert"))


LETTERS = of_letters("abcd ")


def judge(folder, vocab=LETTERS, max_length=LENGTH, lora=Lora(rank=2), **settings) -> Encoder:  # noqa: B008
    """With adapters, they have learned something."""
    torch.manual_seed(0)
    return tiny_lm.learned(Encoder(vocab, max_length, str(folder), lora, **settings).eval())


@pytest.mark.parametrize("pooling", ["mean", "cls"])
@torch.no_grad()
def test_a_score_is_a_head_on_transformers_own_states(folder, pooling):
    from tokenizers import Tokenizer
    from transformers import AutoModel

    made, theirs = judge(folder, lora=None, pooling=pooling), AutoModel.from_pretrained(folder).eval()
    cut = Tokenizer.from_file(str(folder / "tokenizer.json"))
    for text, score in zip(texts(), made(*batch(LETTERS, texts())), strict=True):
        states = theirs(torch.tensor([cut.encode(text).ids])).last_hidden_state[0]
        pooled = states[0] if pooling == "cls" else states.mean(0)
        assert_close(score, made.head(pooled).squeeze(), atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_and_the_other_sentences_change_no_score(folder):
    made, (tokens, mask) = judge(folder), batch(LETTERS, texts())
    scores = made(tokens, mask)
    assert scores.std() > 0.01
    assert_close(made(tokens.masked_fill(~mask, 1), mask), scores)
    for row, score in enumerate(scores):
        n = int(mask[row].sum())
        assert_close(made(tokens[row : row + 1, :n], mask[row : row + 1, :n])[0], score, atol=1e-5, rtol=0)


@torch.no_grad()
def test_one_text_has_one_score_however_it_is_cut(bert):
    """In letters, in words of a tokenizer's, and in words with blanks between them."""
    some = ["ab cd", "cd ab ab", "ab"]
    scores = [judge(bert, vocab)(*batch(vocab, some)) for vocab in (LETTERS, WORDS, Vocab(("ab", "cd"), has_eos=True))]
    assert_close(scores[0], scores[1])
    assert_close(scores[0], scores[2])


@pytest.mark.parametrize("lora", [Lora(rank=2), None])
def test_a_step_moves_what_learns_and_all_of_it(folder, lora):
    made = judge(folder, lora=lora).train()
    before = copy.deepcopy(dict(made.named_parameters()))
    made(*batch(LETTERS, texts())).square().sum().backward()
    torch.optim.SGD([weight for weight in made.parameters() if weight.requires_grad], lr=1.0).step()
    for name, weight in made.named_parameters():
        learns = lora is None or ".lora_" in name or name.startswith("head.")
        assert (weight.grad is not None) == learns, name
        if not name.endswith(("key.bias", "k.bias", "k_lin.bias")):  # which attention does not see
            assert torch.equal(weight, before[name]) != learns, name


@torch.no_grad()
def test_what_is_saved_has_learned_and_is_enough(folder):
    made = judge(folder)
    saved = made.state_dict()
    assert all(".lora_" in name or name.startswith("head.") for name in saved)
    fresh = Encoder(LETTERS, LENGTH, str(folder), Lora(rank=2)).eval()
    assert not torch.allclose(fresh(*batch(LETTERS, texts())), made(*batch(LETTERS, texts())), atol=1e-3)
    fresh.load_state_dict(saved)
    assert_close(fresh(*batch(LETTERS, texts())), made(*batch(LETTERS, texts())))
    assert len(made.base) == 64


def test_dropout_is_off(tmp_path, folder):
    kind = folder.name.rstrip("0123456789")
    settings = {"dropout": 0.5} if kind == "distilbert" else {"hidden_dropout_prob": 0.5}
    made = judge(tiny_lm.save_encoder(tmp_path, kind, **settings)).train()
    assert torch.equal(made(*batch(LETTERS, texts())), made(*batch(LETTERS, texts())))


def test_activations_computed_again_give_the_same_gradient(bert):
    gradients = []
    for settings in ({}, {"micro_batch_size": 2}):
        made = judge(bert, **settings).train()
        made(*batch(LETTERS, texts())).square().sum().backward()
        gradients.append([weight.grad for weight in made.parameters() if weight.requires_grad])
    assert_close(gradients[1], gradients[0])


@torch.no_grad()
def test_in_bfloat16_the_score_is_float32_and_about_the_same(bert):
    half, whole = (judge(bert, dtype=dtype)(*batch(LETTERS, texts())) for dtype in ("bfloat16", "float32"))
    assert half.dtype == torch.float32
    assert_close(half, whole, atol=0.1, rtol=0)


@torch.no_grad()
def test_a_longer_text_is_cut_and_that_is_said_once(bert):
    made = judge(bert, WORDS, max_length=20)
    long, cut = "ab cd " * 8, ("ab cd " * 8)[:30]  # 32 positions, of which 2 are not the text's
    with pytest.warns(UserWarning, match=r"reads 30 of its tokens a sentence.*does not see their ends"):
        scores = made(*batch(WORDS, [long.strip(), "ab cd " * 5 + "ab"], 20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_close(made(*batch(WORDS, [long.strip()], 20))[0], scores[0])
    assert_close(judge(bert, max_length=30)(*batch(LETTERS, [cut], 30))[0], scores[0])


def test_tokens_that_are_no_text_are_refused(bert):
    with pytest.raises(UserError, match=r"reads text, and the tokens of these data are mere numbers. Use data=text"):
        judge(bert, Vocab(("0", "1"), has_eos=True))


def test_longer_sentences_of_its_own_tokens_are_refused(bert):
    own = of_letters((bert / "tokenizer.json").read_text(), is_text=True)
    with pytest.raises(UserError, match=r"reads 30 of its tokens, and a sentence has 31. Give a smaller data.max_len"):
        judge(bert, own, max_length=31)


def test_more_tokens_than_the_network_has_are_refused(tmp_path):
    folder = tiny_lm.save_encoder(tmp_path)
    other = tiny_lm.save_encoder(tmp_path / "other", letters="abcdefg ")
    (folder / "tokenizer.json").write_text((other / "tokenizer.json").read_text())
    with pytest.raises(UserError, match=r"tokenizer.json has 12 tokens, and its config.json 9 \(vocab_size\)"):
        judge(folder)


@pytest.mark.parametrize(
    "part",
    [
        None,
        {"type": "ByteLevel"},
        {"type": "BertProcessing", "cls": "[CLS]", "sep": ["[SEP]"]},
        {"type": "BertProcessing", "cls": ["[CLS]", -1], "sep": ["[SEP]", 2]},
        {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "[CLS]"}}], "special_tokens": {}},
        {"type": "Sequence", "processors": 3},
        [],
    ],
)
def test_a_tokenizer_without_a_frame_is_refused(tmp_path, part):
    folder = tiny_lm.save_encoder(tmp_path)
    spelling = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(spelling | {"post_processor": part}))
    with pytest.raises(UserError, match=r"does not say what stands around a sentence \(post_processor\). Give an enc"):
        judge(folder)


def test_a_language_model_is_no_encoder(tmp_path):
    with pytest.raises(
        UserError, match=r"discriminator.name=.* is of model_type llama, wanted bert, distilbert, mpnet"
    ):
        judge(tiny_lm.save(tmp_path))


def test_weights_that_can_run_code_are_refused(tmp_path):
    folder = tiny_lm.save_encoder(tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"discriminator.name=.* holds no model.safetensors"):
        judge(folder)


def test_adapters_that_match_nothing_are_refused(bert):
    with pytest.raises(UserError, match=r"discriminator\.lora\.targets.*match no layer.*query"):
        judge(bert, lora=Lora(targets=["attn"]))


def test_what_would_change_its_weights_does_not_wrap_it(bert):
    with pytest.raises(UserError, match=r"discriminator=spectral .*critic=conv"):
        Spectral(LETTERS, LENGTH, judge(bert))
    assert Spectral(LETTERS, LENGTH, Conv(LETTERS, LENGTH)).base is None


def test_it_learns_to_tell_two_worlds_apart_and_not_one(bert):
    told, control = (held_out_accuracy(judge(bert), LETTERS, other) for other in ("bc", "ab"))
    assert told > 0.9
    assert abs(control - 0.5) < 0.1


@torch.no_grad()
def test_its_longest_sentence_is_read(folder):
    """Some kinds have positions that no token takes: the limit knows of them."""
    made = judge(folder)
    longest = "a" * made.limit
    tokens, mask = batch(LETTERS, [longest, longest[1:]], made.limit)
    first, second = made(tokens, mask)
    assert first != second


def test_nothing_is_said_of_weights_that_nobody_asked_for(bert, capfd):
    judge(bert)
    assert "UNEXPECTED" not in "".join(capfd.readouterr())
