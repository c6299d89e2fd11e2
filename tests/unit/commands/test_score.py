"""``textgan generate`` and ``textgan score``: the numbers by enumeration, and what a person sees."""

import io
import itertools
import json
import math
import os
import subprocess
import sys
import tracemalloc

import pytest
import torch

from tests.helpers.command import textgan
from tests.helpers.enumeration import Additive, lively, probability
from tests.helpers.playing import saved
from textgan_lit import inference as runs
from textgan_lit import tokenizer
from textgan_lit.commands import opening, output
from textgan_lit.data.tiny import every_sentence
from textgan_lit.errors import UserError
from textgan_lit.inference import Run
from textgan_lit.model.discriminator.density_aware import DensityAware
from textgan_lit.model.discriminator.recurrent import Recurrent
from textgan_lit.model.game import Game
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.model.generator.markov import Markov
from textgan_lit.model.generator.vae import VAE
from textgan_lit.model.policy import Categorical, TopK
from textgan_lit.noise import Noise
from textgan_lit.types import TextBatch, Vocab

FIXED, EOS = Vocab(("a", "b", "c")), Vocab(("a", "b", "c"), has_eos=True)


def run(vocab=EOS, judge=Additive, policy=None):
    generator = lively(LSTM(vocab, 3, embedding=3, hidden=4))
    discriminator = judge and lively(judge(vocab, 3), 5)
    return Run(generator, vocab, {}, policy or Categorical(0.7), discriminator)


def density_aware(vocab, length):
    return DensityAware(vocab, length, lively(LSTM(vocab, 3, embedding=3, hidden=4), 8), Additive(vocab, length))


@pytest.fixture
def command(monkeypatch, capsys):
    """``textgan WORDS`` with this run; gives the exit code, what was written, and what was said."""

    def play(*arguments, run=run()):  # noqa: B008
        monkeypatch.setattr(opening, "opened", lambda options: run)
        code = textgan(monkeypatch, *arguments)
        return code, *capsys.readouterr()

    return play


def of_latents(vocab=EOS):
    generator = lively(VAE(vocab, 3, latent=4, embedding=3, hidden=4))
    generator.first.weight.data *= 5
    generator.decoder.output.weight.data *= 5
    return Run(generator, vocab, {}, Categorical(), lively(Additive(vocab, 3), 5))


def test_on_the_way_between_latents_the_ends_are_the_sentences_of_the_seed(command):
    _, said, _ = command("generate", "RUN", "-n", "2", "--seed", "3", "--interpolate", "5", run=of_latents(FIXED))
    ways = [way.split("\n") for way in said.removesuffix("\n").split("\n\n")]
    assert [len(way) for way in ways] == [5, 5]
    run, noise = of_latents(FIXED), Noise(3, "sample").uniform(2, 7)
    first, last = (run.generator.prior(noise[row : row + 1, :4]) for row in (0, 1))
    middle = (first + last) / math.sqrt(2)
    for place, z in ((0, first), (2, middle), (4, last)):
        written = run.generator.sample(torch.cat([torch.special.ndtr(z), noise[:1, 4:]], 1), run.policy)
        assert ways[0][place] == run.vocab.text(written.tokens[0].tolist())
    assert len({*ways[0]}) > 1


def test_what_is_not_known_of_a_sentence_is_not_said(command):
    lines = command("generate", "RUN", "-n", "2", "--format", "jsonl", run=of_latents())[1].splitlines()
    assert [json.loads(line).keys() for line in lines] == [{"text", "tokens", "length", "real"}] * 2
    said = str(command("score", "RUN", "/dev/null", run=of_latents())[0])
    assert "VAE does not know log G of a sentence, only a bound" in said
    assert "LSTM writes from no latent" in str(command("generate", "RUN", "--interpolate", "3")[0])


def test_between_two_latents_unk_is_written_where_it_is_asked_for_alone(command):
    spelling = tokenizer.trained("whitespace", iter([["a b c"]]), 10)
    run = of_latents(Vocab(tokenizer.tokens(spelling), True, spelling))
    way = ("generate", "RUN", "-n", "9", "--interpolate", "5")
    assert "<unk>" not in command(*way, run=run)[1]
    assert "<unk>" in command(*way, "--unknown", run=run)[1]


# --- laws -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vocab", [FIXED, EOS], ids=["fixed", "eos"])
def test_log_probabilities_are_those_of_enumeration(vocab):
    asked = run(vocab, None)
    sentences = every_sentence(vocab, 3)
    wanted = probability(asked.generator.predict(sentences, asked.policy).double(), sentences).tolist()
    lines = [vocab.text(row) for row in sentences.tokens.tolist()]
    assert [s.text for s in asked.score(lines)] == lines
    found = [math.exp(s.log_probability) for s in asked.score(lines)]
    assert sum(found) == pytest.approx(1, abs=1e-5)
    assert found == pytest.approx(wanted, rel=1e-4)
    table = dict(zip(lines, found, strict=True))
    for written in asked.write(50):
        assert math.exp(written.log_probability) == pytest.approx(table[written.text], rel=1e-4)


@pytest.mark.parametrize("judge", [Additive, Recurrent, density_aware])
def test_real_is_the_logits_sigmoid(judge):
    asked = run(EOS, judge)
    game = Game(asked.generator, asked.discriminator, asked.policy, Noise(3, "sample"))
    with torch.no_grad():
        batch = game.sample(20).batch
        wanted = game.sentence_logit(batch).sigmoid().tolist()
    written = list(asked.write(20, seed=3))
    assert [s.real[-1] for s in written] == pytest.approx(wanted, abs=1e-5)
    assert [s.real[-1] for s in asked.score(s.text for s in written)] == pytest.approx(wanted, abs=1e-5)
    tokens = asked.discriminator.scores == "token"
    assert all(len(s.real) == (len(s.tokens) if tokens else 1) for s in written)


@pytest.mark.parametrize("candidates", [1, 3])
def test_the_first_sentences_depend_on_the_seed_alone(candidates, monkeypatch):
    asked = run()
    whole = asked.sample(700, 1, candidates)
    assert asked.sample(13, 1, candidates) == whole[:13]
    assert [s.logp for s in asked.write(5, 1, candidates)] == [s.logp for s in asked.write(300, 1, candidates)][:5]
    monkeypatch.setattr(runs, "AT_ONCE", 50)
    assert asked.sample(130, 1, candidates) == whole[:130]
    assert asked.sample(130, 2, candidates) != whole[:130]
    assert len(set(whole)) > 10


def test_a_few_sentences_are_held_at_a_time(monkeypatch):
    drawn, own = [], Game.sample
    monkeypatch.setattr(Game, "sample", lambda game, n: drawn.append(n) or own(game, n))
    asked = Run(lively(Markov(EOS, 3)), EOS, {}, Categorical(), None)
    assert len(list(itertools.islice(asked.write(10**9), 300))) == 300
    assert drawn == [256, 256]
    read = []
    next(asked.score(read.append(1) or "a b" for _ in itertools.count()))
    assert len(read) == 256


@pytest.mark.slow
def test_memory_does_not_grow():
    asked = Run(lively(Markov(EOS, 3)), EOS, {}, Categorical(), None)

    def peak(n):
        tracemalloc.start()
        assert sum(1 for _ in asked.score(s.text for s in asked.write(n))) == n
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(600)
    assert peak(12_000) < 1.3 * peak(1200)


# --- what is written --------------------------------------------------------------------------------------------------


def test_generated_text_and_jsonl_are_the_same_sentences(command):
    code, text, said = command("generate", "RUN", "-n", "7", "--seed", "8")
    assert (code, said) == (0, "")
    assert text.splitlines() == run().sample(7, 8)
    rows = [
        json.loads(line) for line in command("generate", "RUN", "-n7", "--seed=8", "--format=jsonl")[1].splitlines()
    ]
    for row, sentence in zip(rows, run().write(7, 8), strict=True):
        assert row["text"] == sentence.text
        assert row["tokens"] == sentence.tokens
        assert row["length"] == len(sentence.text.split())
        assert row["log_probability"] == pytest.approx(sentence.log_probability, rel=1e-6)
        assert row["real"] == pytest.approx(sentence.real[0], rel=1e-6)
    assert "real" not in command("generate", "RUN", "-n1", "--format=jsonl", run=run(judge=None))[1]
    assert command("generate", "RUN", "-n", "0")[1] == ""


def test_a_sentence_with_a_line_break_stays_one_line(command):
    odd = run()._replace(vocab=Vocab(("a\nb", "c\r", "d\u2028"), has_eos=True))
    assert len(command("generate", "RUN", "-n9", run=odd)[1].splitlines()) == 9
    assert output.one_line("a\nb\\") == "a\\nb\\"


def test_scores_as_a_table_and_as_jsonl(command, tmp_path):
    (tmp_path / "x.txt").write_text("a b\nc c c\n")
    code, text, said = command("score", "RUN", str(tmp_path / "x.txt"), "--tokens", run=run(judge=Recurrent))
    assert code == 0
    assert "⏎" in text
    assert said.startswith("2 sentences, 6 tokens; NLL ")
    found = command("score", "RUN", str(tmp_path / "x.txt"), "--tokens", "--format=jsonl", run=run(judge=Recurrent))[1]
    first, second = map(json.loads, found.splitlines())
    assert [token for token, _ in first["by_token"]] == ["a", "b", None]
    assert [token for token, _ in second["by_token"]] == ["c", "c", "c"]
    assert first["length"] == 2
    assert sum(x for _, x in first["by_token"]) == pytest.approx(first["log_probability"], rel=1e-5)
    assert first["per_token"] == pytest.approx(first["log_probability"] / 3, rel=1e-5)
    assert first["real_by_token"][-1] == first["real"]
    nll = -(first["log_probability"] + second["log_probability"]) / 6
    assert f"NLL {nll:.4f} nats a token, perplexity {math.exp(nll):.4g}; " in said
    assert f"{(first['real'] + second['real']) / 2:.4f}" in said


def test_the_heat_view_has_colours(command, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLORTERM", "truecolor")
    (tmp_path / "x.txt").write_text("a b\n")
    assert "\x1b[30;48;2;" in command("score", "RUN", str(tmp_path / "x.txt"), "--tokens")[1]


# --- what goes wrong --------------------------------------------------------------------------------------------------

LINES = {
    "long": (EOS, b"a\na b c a\n", "line 2: The sentence has 4 tokens, wanted at most 3"),
    "short": (FIXED, b"a b c\na\n", "line 2: The sentence has 1 tokens, wanted exactly 3"),
    "unknown": (EOS, b"a\nx\n", "line 2: The token x is not among"),
    "bytes": (EOS, b"a\n\xff\n", "line 2 is not UTF-8"),
}


@pytest.mark.parametrize("kind", LINES)
def test_a_line_that_cannot_be_scored_is_named_or_skipped(kind, command, monkeypatch):
    vocab, content, said = LINES[kind]
    for arguments in [(), ("--skip",)]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        code, told, heard = command("score", "RUN", "-", *arguments, run=run(vocab))
        if arguments:
            assert code == 0
            assert "1 lines skipped" in heard
        else:
            assert not told  # no heading of a table that is never written
            assert f"standard input, {said}" in code
            assert "--skip" in code
            assert "\n" not in code


WRONG = {
    "-n=-1": "-n=-1: wanted greater",
    "--candidates=0": "--candidates=0: wanted",
    "--seed=x": "--seed=x: wanted",
    "--out=/nowhere/x": "cannot be written",
    "--out=.": "Give the name of a file",
}


@pytest.mark.parametrize("argument", WRONG)
def test_a_mistake_is_one_line(argument, command):
    arguments = ("-n", "-1") if argument == "-n=-1" else (argument,)
    code = command("generate", "RUN", *arguments)[0]
    assert code.startswith("textgan_lit: ")
    assert WRONG[argument] in code


def test_policies_and_their_errors(opened, monkeypatch, tmp_path):
    opened(saved())
    parse = lambda *arguments: textgan_options(str(tmp_path / "run"), *arguments)  # noqa: E731
    found = opening.opened(parse("--top-k", "2", "--temperature", "0.5")).policy
    assert (type(found), found.k, found.temperature) == (TopK, 2, 0.5)
    assert opening.opened(parse("--top-p", "0.5")).policy.p == 0.5
    assert opening.opened(parse("--temperature", "2")).policy.temperature == 2
    for name in ("--top-k", "--top-p", "--temperature"):
        with pytest.raises(UserError, match=f"^{name}=0: wanted"):
            opening.opened(parse(name, "0"))


def textgan_options(*arguments):
    from textgan_lit.commands import generate

    return generate.parser().parse_args(arguments)


def test_a_file_is_there_whole_or_not_at_all(command, tmp_path, monkeypatch):
    path = tmp_path / "x.jsonl"
    assert command("generate", "RUN", "-n", "3", "--out", str(path))[0] == 0
    whole = path.read_text()
    assert len(list(map(json.loads, whole.splitlines()))) == 3
    assert "Give another name, or --overwrite." in command("generate", "RUN", "--out", str(path))[0]
    first = next(run().write(1))
    for error, code in ((KeyboardInterrupt, 130), (UserError("no"), "textgan_lit: no")):

        def write(*_, error=error, **__):
            yield first
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Run, "write", write)
            assert command("generate", "RUN", "--overwrite", "--out", str(path))[0] == code
        assert os.listdir(tmp_path) == ["x.jsonl"]
        assert path.read_text() == whole
    command("generate", "RUN", "-n", "1", "--overwrite", "--out", str(path))
    assert path.read_text() == whole.splitlines(keepends=True)[0]


@pytest.mark.slow
def test_a_closed_pipe_ends_quietly(opened, tmp_path):
    opened(saved())
    call = "from textgan_lit.commands import main; main()"
    arguments = [sys.executable, "-c", call, "generate", str(tmp_path / "run"), "-n", "1000000"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_gaps_of_a_template_are_filled(command):
    """The given tokens stay; the same seed fills the gaps alike, and n of them begin like any larger number."""
    generator = lively(LSTM(FIXED, 3, embedding=3, hidden=4, any_order=True))
    of_gaps = Run(generator, FIXED, {}, Categorical(), None)
    code, written, _ = command("generate", "RUN", "-n", "30", "--infill", "_ b _", run=of_gaps)
    lines = written.splitlines()
    assert code == 0
    assert len(lines) == 30
    assert all(line.split()[1] == "b" for line in lines)
    assert len(set(lines)) > 4
    fewer = command("generate", "RUN", "-n", "7", "--infill", "_ b _", "--format", "jsonl", run=of_gaps)[1]
    records = [json.loads(line) for line in fewer.splitlines()]
    assert [record["text"] for record in records] == lines[:7]
    order = torch.tensor([[1, 0, 2]])
    tokens = torch.tensor([FIXED.encode(record["text"]) for record in records])
    logp = generator.logp(TextBatch(tokens, tokens >= 0), Categorical(), order=order)[:, [0, 2]].sum(1)
    assert [record["log_probability"] for record in records] == pytest.approx(logp.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("_ b", "has 2 tokens and 1 gaps: wanted exactly 3 tokens"),
        ("a b c", "at least one of them _"),
        ("_ d a", "token d"),
    ],
)
def test_what_is_no_template_is_said(template, said):
    of_gaps = Run(LSTM(FIXED, 3, any_order=True), FIXED, {}, Categorical(), None)
    with pytest.raises(UserError, match=said):
        of_gaps.infill(template, 1)


def test_one_order_of_writing_cannot_be_given_later_tokens():
    with pytest.raises(UserError, match=r"LSTM writes in one order.*model=any_order"):
        run(FIXED).infill("_ b _", 1)
