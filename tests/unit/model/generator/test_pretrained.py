"""A pretrained language model keeps every generator's contract, and is the model that transformers opens."""

import copy
import json

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

from tests.helpers import tiny_lm
from textgan_lit import tokenizer
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.functional.likelihood import inputs_of
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.value_head import ValueHead
from textgan_lit.model.game import Game
from textgan_lit.model.generator import pretrained
from textgan_lit.model.generator.base import DecodeState
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.infilling import continued
from textgan_lit.model.lora import Lora, merged
from textgan_lit.model.policy import Categorical
from textgan_lit.model.regulariser import ReferenceKL
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab, Written

LENGTH = 5


@pytest.fixture(scope="module", params=sorted(tiny_lm.OF_KIND))
def folder(request, tmp_path_factory):
    return tiny_lm.save(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return tiny_lm.save(tmp_path_factory.mktemp("llama"))


def vocab_of(folder) -> Vocab:
    text = (folder / "tokenizer.json").read_text()
    return Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)


def player(folder, max_length=LENGTH, lora=None, **settings) -> Pretrained:
    """With adapters, they have learned something."""
    return tiny_lm.learned(Pretrained(vocab_of(folder), max_length, str(folder), lora, **settings).eval())


def samples(generator, n=16):
    return generator.sample(
        torch.rand(n, generator.uniforms, generator=torch.Generator().manual_seed(1)), Categorical()
    )


KINDS_OF_PLAYER = [{}, {"lora": Lora(rank=2)}, {"beginning": "<s>ab"}, {"ends_at_newline": True}]


@pytest.mark.parametrize("settings", KINDS_OF_PLAYER, ids=lambda settings: "".join(settings) or "plain")
@torch.no_grad()
def test_what_writes_is_what_is_scored(folder, settings):
    generator = player(folder, **settings)
    if "lora" in settings:  # adapters are merged to write: as float32 on some processors that is 1.1e-5 beside
        generator = generator.double()
    written = samples(generator)
    assert written.mask.sum(1).unique().numel() > 1, "sentences of one length show nothing"
    scored = generator.logp(written.batch, Categorical())
    torch.testing.assert_close(scored, written.logp, atol=1e-5, rtol=0)


@torch.no_grad()
def test_it_goes_on_from_a_prompt_as_from_what_it_has_written(folder):
    generator = player(folder, lora=Lora(rank=2))
    noise = torch.rand(16, generator.uniforms, generator=torch.Generator().manual_seed(1))
    written = generator.sample(noise, Categorical())
    row = written.mask.sum(1).argmax()
    found = continued(generator, written.tokens[row, :2], noise[row : row + 1], Categorical())
    assert found.tokens.equal(written.tokens[row : row + 1])


@torch.no_grad()
def test_all_sentences_together_are_certain(tmp_path, folder):
    short = tiny_lm.save(tmp_path, tiny_lm.config_of(folder)["model_type"], letters="ab")
    generator = player(short, max_length=3)
    sentences = every_sentence(generator.vocab, 3)
    total = generator.logp(sentences, Categorical()).double().sum(1).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total), atol=1e-5, rtol=0)


@torch.no_grad()
def test_rows_may_stand_at_different_positions(folder):
    generator = player(folder, beginning="<s>a")
    early, late = generator.start_decoding(2), generator.start_decoding(3)
    for tokens in ([4, 5], [6, 4]):
        early = generator.force_token(early, torch.tensor(tokens))
    for tokens in ([4, 5, 6], [6, 4, 4], [5, 5, 5]):
        late = generator.force_token(late, torch.tensor(tokens))
    rows = [state.rows(torch.arange(len(state.prev))) for state in (early, late)]
    both = DecodeState.join(rows)
    together, _ = generator.advance(both.prev, both.state)
    apart = [generator.advance(state.prev, state.state)[0] for state in (early, late)]
    torch.testing.assert_close(together, torch.cat(apart), atol=1e-5, rtol=0)


@torch.no_grad()
def test_padding_changes_no_score(folder):
    generator = player(folder)
    written = samples(generator)
    shorter = written.batch.trimmed()
    longer = TextBatch(shorter.tokens.clone(), shorter.mask)
    longer.tokens[~longer.mask] = 5
    torch.testing.assert_close(generator.logp(longer, Categorical()), generator.logp(shorter, Categorical()))


@torch.no_grad()
def test_it_is_transformers_own_model(folder):
    """log G is what transformers says of the same ids; eos has the probability of all that ends a text."""
    from transformers import AutoModelForCausalLM

    theirs = AutoModelForCausalLM.from_pretrained(folder).eval()
    generator = player(folder, beginning="<s>ab")
    vocab, names = generator.vocab, tiny_lm.tokens_of("abcd \n")
    text = "cab\n"
    ids = [names.index(name) for name in ("<s>", *"ab", *text)]
    logits = theirs(torch.tensor([ids])).logits[0, 2:, : len(names)]
    allowed = torch.tensor([number for number, name in enumerate(names) if name == "</s>" or name not in tiny_lm.NAMED])
    logp = logits[:, allowed].log_softmax(1)
    wanted = [
        logp[place, allowed.tolist().index(number)] for place, number in enumerate([*ids[3:], names.index("</s>")])
    ]
    tokens = torch.tensor([[*vocab.encode(text), vocab.eos]])
    found = generator.logp(TextBatch(tokens, torch.ones_like(tokens, dtype=torch.bool)), Categorical())[0]
    torch.testing.assert_close(found, torch.stack(wanted), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_line_break_ends_a_sentence_where_it_is_asked(llama):
    plain, ending = player(llama), player(llama, ends_at_newline=True)
    inputs = inputs_of(torch.tensor([[4, 5, 6]]), plain.vocab.bos)
    without, with_break = (some.logits(inputs).softmax(-1) for some in (plain, ending))
    newline, eos = plain.vocab.tokens.index("\n"), plain.vocab.eos
    torch.testing.assert_close(with_break[..., eos], without[..., eos] + without[..., newline])
    assert (with_break[..., newline] == 0).all()


@torch.no_grad()
def test_special_tokens_are_neither_written_nor_read(llama):
    generator = player(llama)
    never = [generator.vocab.tokens.index(name) for name in tiny_lm.NAMED]
    assert (generator.logits(torch.tensor([[generator.vocab.bos, 4]]))[..., never] == -torch.inf).all()
    unknown = generator.vocab.tokens.index(tiny_lm.UNKNOWN)  # what these letters are, of which the model has none
    assert {*generator.vocab.encode("<|user|></s>")} == {unknown}


def test_the_base_is_shared_and_adapters_alone_learn(folder):
    generator = player(folder, lora=Lora(rank=2))
    before = copy.deepcopy(dict(generator.named_parameters()))
    reference = generator.frozen()
    optimizer = torch.optim.SGD([weight for weight in generator.parameters() if weight.requires_grad], lr=1.0)
    (-generator.logp(samples(generator).batch, Categorical()).mean()).backward()
    optimizer.step()
    kept = dict(reference.named_parameters())
    for name, weight in generator.named_parameters():
        adapter = ".lora_" in name
        assert torch.equal(weight, before[name]) != adapter, name
        assert (weight.data_ptr() == kept[name].data_ptr()) != adapter, name
        assert torch.equal(kept[name], before[name]), name


def test_without_adapters_everything_learns_and_a_reference_stays(llama):
    generator = player(llama)
    reference = generator.frozen()
    before = copy.deepcopy(dict(reference.named_parameters()))
    (-generator.logp(samples(generator).batch, Categorical()).mean()).backward()
    torch.optim.SGD(generator.parameters(), lr=1.0).step()
    assert not any(torch.equal(weight, before[name]) for name, weight in generator.named_parameters())
    assert all(torch.equal(weight, before[name]) for name, weight in reference.named_parameters())


@torch.no_grad()
def test_what_is_saved_has_learned_and_is_enough(folder):
    generator = player(folder, lora=Lora(rank=2)).double()
    saved = generator.state_dict()
    assert all(".lora_" in name for name in saved)
    fresh = Pretrained(generator.vocab, LENGTH, str(folder), Lora(rank=2)).eval().double()
    written = samples(generator)
    assert not torch.allclose(fresh.logp(written.batch, Categorical()), written.logp, atol=1e-3)
    fresh.load_state_dict(saved)
    torch.testing.assert_close(fresh.logp(written.batch, Categorical()), written.logp, atol=1e-5, rtol=0)


def test_a_weight_of_two_names_is_saved_once(llama):
    generator = player(llama)
    assert len({weight.data_ptr() for weight in generator.state_dict().values()}) == len(generator.state_dict())


@torch.no_grad()
def test_sampling_leaves_the_base_as_it_was(folder):
    generator = player(folder, lora=Lora(rank=2))
    before = {name: (weight.data_ptr(), weight.clone()) for name, weight in generator.named_parameters()}
    samples(generator)
    for name, weight in generator.named_parameters():
        assert weight.data_ptr() == before[name][0], name
        assert torch.equal(weight, before[name][1]), name


@torch.no_grad()
def test_who_only_scores_has_adapters_and_weights_as_one(llama, monkeypatch):
    """The generator asked for its density, and the references of a discriminator and of a regulariser."""
    generator, ready = player(llama, lora=Lora(rank=2)).double(), []
    written, vocab = samples(generator), generator.vocab
    alone = generator.logp(written.batch, Categorical())
    monkeypatch.setattr(pretrained, "merged", lambda network: ready.append(network) or merged(network))
    aware = DensityAware(vocab, LENGTH, generator, ValueHead(vocab, LENGTH, generator, Lora(rank=2))).eval()
    game = Game(generator, aware, Categorical(), Noise(0))
    density = game.density(written.batch)
    torch.testing.assert_close(density, alone, atol=1e-5, rtol=0)
    assert aware(*written.batch, density).isfinite().all()
    leashes = [ReferenceKL(generator, estimator=estimator) for estimator in ("exact", "k3")]
    for leash in leashes:
        assert leash(game, written.batch, Written(written, None)).abs() < 1e-5
    scoring = [generator, aware.reference, *(leash.reference for leash in leashes)]
    assert ready == [player.network for player in scoring]


def test_a_vocabulary_of_other_tokens_is_refused(llama, tmp_path):
    other = vocab_of(tiny_lm.save(tmp_path, letters="xyz"))
    with pytest.raises(UserError, match=r"has its own tokens.*Give data\.tokenizer="):
        Pretrained(other, LENGTH, str(llama), None)


def fewer_rows(folder, rows: int):
    """A model with so few rows of weights, and a tokenizer.json of ten tokens: four special ones, then letters."""
    spelling = tiny_lm.save(folder).joinpath("tokenizer.json").read_text()
    tiny_lm.save(folder, vocab_size=rows)
    (folder / "tokenizer.json").write_text(spelling)
    return folder


def test_a_token_without_weights_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has 9 rows of weights for tokens, and its tokenizer\.json has 10 tokens"):
        player(fewer_rows(tmp_path, 9))


@torch.no_grad()
def test_a_special_token_needs_no_weights(tmp_path):
    """Gemma 3 has one for pictures, beyond its table."""
    folder = fewer_rows(tmp_path, 10)
    spelled = json.loads((folder / "tokenizer.json").read_text())
    spelled["added_tokens"].append(spelled["added_tokens"][0] | {"id": 10, "content": "<image>"})
    (folder / "tokenizer.json").write_text(json.dumps(spelled))
    generator, without = player(folder), player(fewer_rows(tmp_path / "without", 10))
    inputs = inputs_of(torch.tensor([[4, 5, 6]]), generator.vocab.bos)
    found, wanted = generator.logits(inputs), without.logits(inputs_of(torch.tensor([[4, 5, 6]]), without.vocab.bos))
    assert len(generator.vocab.tokens) == 11
    assert (found[..., 10] == -torch.inf).all()
    assert torch.equal(found[..., [*range(10), 11]], wanted)


@pytest.mark.parametrize(
    ("beginning", "match"),
    [("<|endoftext|>ab", r"the model has no token <\|endoftext\|>"), ("", r"it has no tokens\. Give .*null")],
)
def test_a_beginning_of_none_of_its_tokens_is_refused(llama, beginning, match):
    with pytest.raises(UserError, match=match):
        player(llama, beginning=beginning)


def test_a_sentence_longer_than_the_model_reads_is_refused(llama):
    with pytest.raises(UserError, match=r"reads 32 tokens.*Give a smaller max_length of the data"):
        Pretrained(vocab_of(llama), 40, str(llama), None)


def test_adapters_that_match_nothing_are_refused(llama):
    with pytest.raises(UserError, match=r"lora\.targets.*match no layer.*q_proj"):
        Pretrained(vocab_of(llama), LENGTH, str(llama), Lora(targets=["attn"]))


def test_adapters_of_a_base_of_few_bits_can_make_small_steps(llama):
    generator = player(llama, lora=Lora(rank=2), dtype="bfloat16")
    dtypes = {name.rpartition(".lora_")[1]: weight.dtype for name, weight in generator.named_parameters()}
    assert dtypes == {"": torch.bfloat16, ".lora_": torch.float32}
    with torch.no_grad():
        written = samples(generator)
        scored = generator.logp(written.batch, Categorical())
    assert (scored - written.logp).abs().mean() < 0.05  # nats a token


@torch.no_grad()
def test_who_has_ended_changes_no_bit_of_the_others(llama, monkeypatch):
    generator = player(llama, max_length=24, lora=Lora(rank=2), ends_at_newline=True)
    advance, rows = Pretrained.advance, []
    monkeypatch.setattr(Pretrained, "advance", lambda *given: rows.append(len(given[1])) or advance(*given))
    found = samples(generator, 32)
    assert rows[0] == 32 > min(rows) == generator.fewest_rows
    monkeypatch.setattr(DecodeState, "unfinished", lambda decoding, fewest: slice(None))
    for one, other in zip(found, samples(generator, 32), strict=True):
        assert one.equal(other)
