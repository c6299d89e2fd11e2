"""What a run that was played can be asked for. That it is the same run: test_system.py."""

import zlib
from pathlib import Path

import pytest
import torch

import textgan_lit
from tests.helpers.enumeration import Additive, lively
from tests.helpers.playing import CONF, saved
from textgan_lit import tokenizer
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.policy import Categorical, Nucleus, TopK
from textgan_lit.noise import Noise
from textgan_lit.run.checkpoint import write
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
    assert chosen == [VOCAB.text(row) for row in game.choose(30, 200, Noise(0, "choice")).tokens.tolist()]


def test_sentences_begin_with_a_prompt_and_each_prompt_has_its_own():
    opened = run()
    both = opened.sample(20, seed=3, prompt=["b", "c a"])
    assert both == [*opened.sample(20, seed=3, prompt="b"), *opened.sample(20, seed=3, prompt="c a")]
    assert {text[:1] for text in both[:20]} == {"b"}
    assert {text[:3] for text in both[20:]} == {"c a"}
    assert len(set(both)) > 5
    assert opened.sample(7, seed=3, prompt="b") == both[:7]
    written = list(opened.write(20, 3, prompt="b"))
    assert [sentence.logp for sentence in written] == [sentence.logp for sentence in opened.score(written)]


def test_candidates_and_a_prompt_are_not_both_taken():
    with pytest.raises(UserError, match=r"candidates are whole sentences, .* Leave them out, or the prompt"):
        run(Additive(VOCAB, 3)).sample(2, candidates=2, prompt="a")


def test_without_a_discriminator_there_is_nobody_to_choose():
    with pytest.raises(UserError, match=r"candidates=2\).*this run has none.*Leave candidates out"):
        run().sample(3, candidates=2)


def test_players_whose_numbers_are_none_are_said():
    written = run()
    for weight in written.generator.parameters():
        weight.data.fill_(3e38)  # finite, and no sum of them is
    with pytest.raises(UserError, match=r"no number \(NaN\): weights are too large\. Give another"):
        written.sample(2)


def test_sentences_that_were_written_need_no_text_to_be_scored():
    written = list(run().write(30))
    for given in (written, [sentence.tokens for sentence in written]):
        assert [sentence.tokens for sentence in run().score(given)] == [sentence.tokens for sentence in written]
    assert run().encode([0]) == run().encode([0, 3]) == run().encode("a") == [0, 3]
    assert run().encode([0, 1, 2]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("ids", "said"),
    [
        ([0, 4], r"token 4 is not among the 3 of this run, 0 to 2\. Give tokens that it wrote"),
        ([3, 0], r"token 3 is not among"),  # what comes after eos
        ([-1], r"token -1 is not among"),
        ([0, 1, 2, 0], r"has 4 tokens, wanted at most 3\. Give one that this run could have written; its own keep"),
    ],
)
def test_ids_that_no_sentence_has_are_refused(ids, said):
    with pytest.raises(UserError, match=said):
        run().encode(ids)


def test_a_run_says_in_one_line_what_it_is():
    """And not the layers of both its networks."""
    assert repr(run()) == "<Run: LSTM (182 weights), 3 tokens, at most 3 a sentence>"
    told = repr(run(Additive(VOCAB, 3))._replace(folder=Path("my\nrun")))
    assert told == "<Run 'my\\nrun': LSTM (182 weights) against Additive (12 weights), 3 tokens, at most 3 a sentence>"


def test_a_sample_is_asked_for_with_a_policy_of_its_own():
    opened = run()
    for asked, policy in {
        "temperature": (0.5, Categorical(0.5)),
        "top_k": (2, TopK(2)),
        "top_p": (0.5, Nucleus(0.5)),
    }.items():
        value, wanted = policy
        expected = opened._replace(policy=wanted).sample(40, seed=3)
        assert opened.sample(40, seed=3, **{asked: value}) == expected != opened.sample(40, seed=3)
    both = opened._replace(policy=TopK(2, 0.3)).sample(40)
    assert opened.sample(40, top_k=2, temperature=0.3) == both != opened.sample(40, top_k=2)
    tempered = opened.under(temperature=0.5)
    assert [s.logp for s in tempered.score(["a b"])] != [s.logp for s in opened.score(["a b"])]
    assert opened.under().policy is opened.policy


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"temperature": 0.0}, r"temperature=0\.0: wanted greater than or equal"),
        ({"top_k": 0}, r"top_k=0: wanted greater than 0"),
        ({"top_p": 1.5}, r"top_p=1\.5: wanted less than or equal to 1"),
        ({"top_k": 2, "top_p": 0.5}, r"top_k and top_p.*Give one of them"),
    ],
)
def test_a_policy_that_is_none_is_refused(asked, said):
    with pytest.raises(UserError, match=said):
        run().sample(2, **asked)


def test_one_sentence_is_no_list_of_its_letters(unchecked_shapes):
    for one in ("a b", next(run().write(1))):
        with pytest.raises(UserError, match=r"was given one\. Put it into a list"):
            list(run().score(one))


# --- a run of somebody's ------------------------------------------------------------------------------------------

SMALL = ("model.generator.hidden=3", "model.generator.embedding=2")


# Each in conf/, but for those of pretrained models: tests/system/test_language_models.py
DISCRIMINATORS = {path.stem for path in (CONF / "model" / "discriminator").glob("*.yaml")} - {"encoder", "value_head"}


@pytest.mark.parametrize("discriminator", sorted(DISCRIMINATORS))
def test_players_are_opened_with_the_weights_that_were_saved(discriminator, opened):
    """Each of them can be described without memory first."""
    overrides = ["model.schedule.pretrain_steps=0", f"model/discriminator={discriminator}"]
    if discriminator == "mediator":
        overrides = ["model=cot"]
    run, state = opened(kept := saved(*overrides)), kept["state_dict"]
    for name, player in {"generator": run.generator, "discriminator": run.discriminator}.items():
        for key, weight in (player.state_dict() if player else {}).items():
            assert weight.equal(state[f"{name}.{key}"])
            assert weight.device.type == "cpu"
    assert (run.discriminator is None) == (discriminator in ("oracle", "empirical"))
    assert len(run.sample(3)) == 3


def without(tree, *path):
    for key in path[:-1]:
        tree = tree[key]
    del tree[path[-1]]


def put(tree, value, *path):
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value


TABLE = ("state_dict", "generator.table.weight")
MODEL = ("textgan_lit", "settings", "model")
ALTERED = {
    "no settings": (lambda s: without(s, "textgan_lit", "settings"), r"settings=None: wanted settings"),
    "no model": (lambda s: without(s, *MODEL), r"model=None: wanted settings"),
    "no generator": (lambda s: without(s, *MODEL, "generator"), r"generator=None: wanted a part"),
    "no vocabulary": (lambda s: put(s, [], "textgan_lit", "vocab"), "vocab=.*: wanted settings"),
    "tokens that are none": (lambda s: put(s, [1, 2], "textgan_lit", "vocab", "tokens"), r"vocab.tokens\.0=1: wanted"),
    "no tokens": (lambda s: put(s, [], "textgan_lit", "vocab", "tokens"), "vocab.tokens=.*: wanted"),
    "no length": (lambda s: without(s, "textgan_lit", "max_length"), "max_length=None: wanted"),
    "a huge length": (lambda s: put(s, 2**40, "textgan_lit", "max_length"), "max_length=.*: wanted less than"),
    "other tokens": (
        lambda s: put(s, ["a"], "textgan_lit", "vocab", "tokens"),
        r"table.weight is Float\[.*wanted Float",
    ),
    "another generator": (
        lambda s: put(s, "textgan_lit.model.generator.lstm.LSTM", *MODEL, "generator", "_target_"),
        "no such setting",
    ),
    "a missing weight": (lambda s: without(s, *TABLE), "It lacks the weight table.weight, unlike its Markov"),
    "one weight more": (lambda s: put(s, torch.ones(1), "state_dict", "generator.x"), "has the weight x, unlike"),
    "whole numbers": (lambda s: put(s, torch.ones(6, 4, dtype=torch.long), *TABLE), r"is int64\[6, 4\], wanted Float"),
    "a number": (lambda s: put(s, 5, *TABLE), "table.weight is 5, wanted a tensor"),
    "no numbers": (
        lambda s: put(s, torch.full((6, 4), float("nan")), *TABLE),
        "table.weight holds numbers that are none",
    ),
    "nameless weights": (lambda s: put(s, {1: torch.ones(1)}, "state_dict"), "state_dict has no names"),
    "no policy": (lambda s: put(s, None, *MODEL, "policy"), "policy=None: wanted a part"),
    "no temperature": (lambda s: put(s, 1e-300, *MODEL, "policy", "temperature"), "temperature=1e-300: wanted greater"),
    "code": (lambda s: put(s, {"_target_": "os.system"}, *MODEL, "policy"), r"_target_=os\.system.*trust"),
    "code elsewhere": (lambda s: put(s, [{"_target_": "os.system"}], *MODEL, "x"), r"x\[0\]\._target_=os\.system"),
}


@pytest.mark.parametrize("how", ALTERED)
def test_a_checkpoint_that_is_not_as_it_was_saved_is_refused_by_name(how, opened):
    change, said = ALTERED[how]
    change(state := saved())
    with pytest.raises(UserError, match=rf"(?s)step-00000001\.ckpt.*{said}"):
        opened(state)


def test_nothing_is_allocated_for_a_description_that_the_file_does_not_fill(opened, monkeypatch):
    state = saved("model/generator=lstm", *SMALL)
    put(state, 2**15, *MODEL, "generator", "hidden")  # 17 GB of weights
    with pytest.raises(UserError, match=r"is Float\[.*, wanted Float\[131072, "):
        opened(state)


def test_weights_of_another_precision_are_taken(opened):
    state = saved()
    put(state, state["state_dict"][TABLE[1]].to(torch.bfloat16), *TABLE)
    assert opened(state).generator.table.weight.dtype == torch.float32


def test_a_run_of_ones_own_parts_opens_where_they_are_trusted(opened, tmp_path, monkeypatch):
    (tmp_path / "my_lab.py").write_text(
        "from textgan_lit.model.policy import Policy\n"
        "class Plain(Policy):\n    def __call__(self, logits): return logits\n"
        "class Kept:\n    ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    put(state := saved(), {"_target_": "my_lab.Plain"}, *MODEL, "policy")
    with pytest.raises(UserError, match="trust="):
        opened(state)
    assert type(opened(state, trust="my_lab").policy).__name__ == "Plain"
    assert opened(state, trust=["my_lab"]).sample(2)
    put(state, {"_target_": "my_lab.Kept"}, *MODEL, "policy")
    with pytest.raises(UserError, match="wanted a Policy"):
        opened(state, trust="my_lab")


def test_a_run_knows_its_folder_however_it_was_opened(opened, tmp_path, monkeypatch):
    assert opened(saved()).folder == tmp_path / "run"
    file = tmp_path / "run" / "checkpoints" / "step-00000001.ckpt"
    assert textgan_lit.load(file).folder == tmp_path / "run"
    assert textgan_lit.load(file.rename(tmp_path / "alone.ckpt")).folder is None


def test_links_out_of_a_runs_folder_are_refused_and_a_link_to_it_is_fine(opened, tmp_path):
    opened(saved())
    (tmp_path / "link").symlink_to(tmp_path / "run")
    assert textgan_lit.load(tmp_path / "link").sample(2)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "checkpoints").symlink_to(tmp_path / "run" / "checkpoints")
    with pytest.raises(UserError, match=r"checkpoints is a link.* Give the folder it leads to"):
        textgan_lit.load(tmp_path / "other")
    best = tmp_path / "run" / "checkpoints" / "best.ckpt"
    best.symlink_to(tmp_path / "run" / "checkpoints" / "step-00000001.ckpt")
    with pytest.raises(UserError, match=r"best\.ckpt: not a file of its own\. Give another checkpoint"):
        textgan_lit.load(tmp_path / "run", "best")
    with pytest.raises(UserError, match=r"checkpoint=\.\./\.\./x: wanted last or best"):
        textgan_lit.load(tmp_path / "run", "../../x")


# --- a tokenizer of somebody's ------------------------------------------------------------------------------------

SPELLING = tokenizer.trained("whitespace", iter([["a b c d"]]), 10)


def compressed(text):
    return zlib.compress(text.encode())


def spelled(tmp_path, spelling, tokens=None):
    state = saved("data.oracle.vocab_size=5")
    text = torch.tensor(list(spelling), dtype=torch.uint8) if isinstance(spelling, bytes) else spelling
    state["textgan_lit"]["vocab"] |= {"tokenizer": text, "tokens": tokens}
    write(state, tmp_path / "step-1.ckpt")
    return textgan_lit.load(tmp_path / "step-1.ckpt")


def test_a_tokenizer_comes_with_the_run(tmp_path):
    opened = spelled(tmp_path, compressed(SPELLING))
    assert opened.vocab.encode("b d zebra") == [opened.vocab.tokens.index(token) for token in ("b", "d", "<unk>")]
    assert all(set(text.split()) <= set(opened.vocab.tokens) for text in opened.sample(5))


def test_unk_is_written_where_it_is_asked_for_alone(tmp_path):
    opened = spelled(tmp_path, compressed(SPELLING))
    assert "<unk>" in " ".join(opened.sample(200, unknown=True))
    written = list(opened.write(200))
    assert "<unk>" not in " ".join(sentence.text for sentence in written)
    assert all("<unk>" not in text for text in opened.sample(50, top_k=1))
    for sentence, scored in zip(written, opened.score(written), strict=True):  # drawn otherwise, it is as likely
        assert sentence.logp == pytest.approx(scored.logp, abs=1e-5)


def test_a_prompt_that_the_tokenizer_does_not_know_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"prompt=zebra holds what this run's tokenizer does not know"):
        spelled(tmp_path, compressed(SPELLING)).sample(1, prompt="zebra")


@pytest.mark.parametrize(
    ("spelling", "tokens"),
    [
        (compressed(""), None),
        (compressed("{}"), None),
        (7, None),
        (SPELLING, None),  # as it is
        (b"", None),
        (SPELLING.encode(), None),
        (compressed(SPELLING)[:-3], None),
        (zlib.compress(b"\xff" * 50), None),
        (torch.ones(50, dtype=torch.bfloat16), None),
        (None, None),
        (compressed("\0" * 50), None),
        (compressed(SPELLING[:-3]), None),
        (compressed(SPELLING.replace("WordLevel", "Nothing")), None),
        (compressed(SPELLING.replace('"Whitespace', '"')), None),
        (compressed(SPELLING), ["a", "b", "c", "d", "e"]),  # another vocabulary's
    ],
)
def test_a_forged_tokenizer_is_refused(tmp_path, spelling, tokens):
    with pytest.raises(UserError, match=r"step-1.ckpt cannot be opened.*(Give|wanted)"):
        spelled(tmp_path, spelling, tokens)


@pytest.mark.parametrize(("length", "rows"), [(3, 256), (256, 256), (1024, 64), (2**16, 1)])
def test_long_sentences_are_written_fewer_at_a_time(length, rows):
    opened = Run(LSTM(VOCAB, length, embedding=2, hidden=2), VOCAB, {}, Categorical(), None)
    assert opened.at_once == rows
