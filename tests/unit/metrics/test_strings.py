"""The metrics of lists of strings: the numbers of a run's metrics, and NLTK's, with a signature."""

import random
from types import SimpleNamespace

import pytest
import torch

import textgan_lit
from tests.helpers.ngrams import naive_jaccard, nltks, nltks_self, scipys
from textgan_lit import UserError, bleu, distinct, frechet, fresh_critic_bound, mauve, ms_jaccard, ngram_jsd, self_bleu
from textgan_lit.metrics import embedding, features
from textgan_lit.metrics.bleu import Bleu
from textgan_lit.metrics.distinct import Distinct
from textgan_lit.metrics.frechet import Frechet
from textgan_lit.metrics.fresh_critic import FreshCritic
from textgan_lit.metrics.mauve import Mauve
from textgan_lit.metrics.ms_jaccard import MSJaccard
from textgan_lit.metrics.ngram_jsd import NgramJSD
from textgan_lit.metrics.self_bleu import SelfBleu
from textgan_lit.types import TextBatch, Vocab

WORLD = Vocab(("a", "b", "c", "d"), has_eos=True)
BY_ORDER = (bleu, self_bleu, distinct, ngram_jsd, ms_jaccard)
EVERY = (*BY_ORDER, fresh_critic_bound, mauve, frechet)
PAIRS = (bleu, ngram_jsd, ms_jaccard, fresh_critic_bound, mauve, frechet)


def sentences(n, seed, longest=7):
    dice = random.Random(seed)
    return [" ".join(dice.choices("abcd", [4, 3, 2, 1], k=dice.randint(4, longest))) for _ in range(n)]


def batch(lines):
    """As a run's own sentences: ids of the vocabulary, eos, padding."""
    rows = [[*WORLD.encode(line), WORLD.eos] for line in lines]
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [WORLD.pad] * (longest - len(row)) for row in rows])
    return TextBatch(tokens, tokens != WORLD.pad)


def of_a_run(metric, real, fake):
    """Its numbers beside the samples, by the name of a list's."""
    found = {key.removeprefix("quality/"): float(value) for key, value in metric.measure(real, fake).items()}
    return {key.split("_unsmoothed")[0].rpartition("_")[0]: value for key, value in found.items() if key[-1].isdigit()}


def test_the_numbers_are_those_of_a_runs_metrics():
    real, fake = sentences(40, 1), sentences(40, 2)
    texts = batch(real), batch(fake)
    assert bleu(fake, real).numbers == pytest.approx(of_a_run(Bleu(WORLD), *texts))
    assert self_bleu(fake).numbers == pytest.approx(of_a_run(SelfBleu(WORLD), *texts))
    assert distinct(fake).numbers == pytest.approx(of_a_run(Distinct(), *texts))
    half = fake[:20], real[::2]  # what a run compares, for its floor is between the halves of its real sentences
    assert ngram_jsd(*half).numbers == pytest.approx(of_a_run(NgramJSD(), *texts))
    assert ms_jaccard(*half).numbers == pytest.approx(of_a_run(MSJaccard(WORLD), *texts))


def test_the_numbers_are_those_of_others():
    fake, real = sentences(12, 3), sentences(20, 4)
    cut = [line.split() for line in fake], [line.split() for line in real]
    means = torch.tensor([nltks(one, cut[1], (2, 4)) for one in cut[0]], dtype=torch.double).mean(0).tolist()
    assert bleu(fake, real, [2, 4]).numbers == pytest.approx(dict(zip(("bleu2", "bleu4"), means, strict=True)))
    (own,) = torch.tensor(nltks_self(cut[0], (3,)), dtype=torch.double).mean(0).tolist()
    assert self_bleu(fake, [3]).numbers == {"self_bleu3": pytest.approx(own)}
    texts = [TextBatch(text.tokens, text.mask & (text.tokens != WORLD.eos)) for text in (batch(fake), batch(real))]
    assert ms_jaccard(fake, real, [3]).numbers == {"ms_jaccard3": pytest.approx(naive_jaccard(*texts, 3))}
    assert ngram_jsd(fake, real, [2], eos=False).numbers == {"ngram_jsd2": pytest.approx(scipys(*texts, 2))}


@pytest.mark.filterwarnings("ignore:\\s*The hypothesis contains 0 counts:UserWarning")
def test_a_setting_that_changes_the_number_stands_in_the_signature():
    fake, real = ["ab", "ac"], ["abd", "aab", "dd"]
    smooth, rough = (bleu(fake, real, [2], smoothing, tokenize=list) for smoothing in ("method1", "none"))
    end = f"tokenize:list|textgan_lit:{textgan_lit.__version__}"
    assert smooth.signature == f"bleu|samples:2|references:3|orders:2|smoothing:method1|{end}"
    assert rough.signature == smooth.signature.replace("method1", "none")
    assert rough.numbers["bleu2"] < smooth.numbers["bleu2"]
    whole, open_ended = (ngram_jsd(fake, real, [1], list, eos) for eos in (True, False))
    assert whole.signature == open_ended.signature.replace("eos:no", "eos:yes") != open_ended.signature
    assert whole.numbers != open_ended.numbers
    assert bleu(fake, real, [1]).numbers == {"bleu1": 0}  # cut at blanks: no token in common
    assert "|tokenize:Vocab.encode|" in distinct(["a b"], tokenize=WORLD.encode).signature


@pytest.mark.slow
def test_the_fresh_critics_bound_is_that_of_a_run():
    real, fake = sentences(60, 5), sentences(60, 6)[::-1] + ["a a a a"] * 30
    seen = set("".join(real[:50] + fake[:50])) - {" "}
    assert len(seen) == 4  # so that both count as many tokens
    wanted = FreshCritic(WORLD, 8, 50).measure(batch(real), batch(fake))
    found = fresh_critic_bound(fake, real, sentences=50)
    names = {"fresh_bound": "quality/fresh_bound_50", "fresh_bound_se": "quality/fresh_bound_50_se"}
    assert found.numbers == pytest.approx({name: float(wanted[key]) for name, key in names.items()})
    assert found.signature.startswith("fresh_bound|sentences:50|")


@pytest.mark.slow
@pytest.mark.parametrize(("metric", "kind"), [(mauve, Mauve), (frechet, Frechet)])
def test_distances_of_features_are_those_of_a_run(metric, kind):
    real, fake = sentences(80, 8), ["a b c d", *sentences(39, 9)]  # which gives a run's ids to the tokens and to eos
    of_a_run = kind(WORLD, 8, lambda split: batch(real[40:])).measure(batch(real[:40]), batch(fake))
    found = metric(fake, real)
    name = metric.__name__
    wanted = {name: of_a_run[f"quality/{name}_20"], f"{name}_real": of_a_run[f"quality/{name}_20_real"]}
    assert found.numbers == pytest.approx({key: float(value) for key, value in wanted.items()})
    end = f"features:language_model|tokenize:str.split|eos:yes|textgan_lit:{textgan_lit.__version__}"
    assert found.signature == f"{name}|samples:40|references:80|sentences:20|{end}"


def test_a_model_of_somebodys_is_given_the_sentences_as_they_are(monkeypatch):
    """And none of them goes to teach another model."""
    given = []

    def encode(texts, **_):
        given.append(texts)
        return torch.tensor([[len(text), text.count("  ")] for text in texts])

    def opened(name, vocab):
        return embedding.Embedding(SimpleNamespace(encode=encode), vocab)

    monkeypatch.setattr(embedding, "opened", opened)
    real, fake = [f"a  dog {n % 7 * 'a'}" for n in range(40)], [f"no   cat{n % 3 * 'b'}" for n in range(40)]
    found = frechet(fake, real, features="some/model-1")
    assert given == [real, fake[:20]]
    assert found.numbers["frechet"] > 1 > found.numbers["frechet_real"]
    assert "|sentences:20|features:model-1|textgan_lit:" in found.signature


@pytest.mark.parametrize(
    ("metric", "settings", "said"),
    [
        (mauve, {}, r'mauve takes scipy, which is not installed: pip install "textgan_lit\[mauve\]"'),
        (frechet, {"features": "a/b"}, r'features=a/b takes .* pip install "textgan_lit\[sentence-transformers\]"'),
    ],
)
def test_what_is_not_installed_is_asked_for(metric, settings, said, monkeypatch):
    for module in (features, embedding):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=said):
        metric(["a b"] * 40, ["a b"] * 40, **settings)


def test_what_no_sentence_is_long_enough_for_is_absent():
    assert distinct(["a", ""], eos=False).numbers == {"distinct1": 1}
    assert ngram_jsd(["a"], ["a b"], eos=False).numbers.keys() == {"ngram_jsd1"}
    assert ms_jaccard([""], [""]).numbers == {}
    assert bleu([""], ["a b"]).numbers == {f"bleu{n}": 0 for n in (2, 3, 4, 5)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([], "samples is empty"),
        ("a b c", "samples=a b c: wanted a list of sentences"),
        (None, "samples=None: wanted a list"),
        ([["a", "b"]], r"samples holds \['a', 'b'\]: wanted strings"),
        (b"a b", "samples holds 97: wanted strings"),
    ],
)
@pytest.mark.parametrize("metric", EVERY)
def test_what_is_no_list_of_strings_is_refused(metric, given, said, unchecked_shapes):
    more = [sentences(20, 7)] * (metric in PAIRS)
    with pytest.raises(UserError, match=said):
        metric(given, *more)
    if more:
        with pytest.raises(UserError, match=said.replace("samples", "references")):
            metric(*more, given)


@pytest.mark.parametrize("orders", [[], [0], 4, [1.5], "12", None])
@pytest.mark.parametrize("metric", BY_ORDER)
def test_what_is_no_list_of_orders_is_refused(metric, orders, unchecked_shapes):
    with pytest.raises(UserError, match=r"orders=.*wanted a list of whole numbers from 1 on"):
        metric(*[["a b", "b"]] * (1 + (metric in PAIRS)), orders)


def test_other_settings_that_are_none_are_refused(unchecked_shapes):
    with pytest.raises(UserError, match="smoothing=method7: wanted one of method1, none"):
        bleu(["a"], ["a"], smoothing="method7")
    with pytest.raises(UserError, match="tokenize gave a b: wanted a function"):
        distinct(["A b"], tokenize=str.lower)
    with pytest.raises(UserError, match="tokenize gave 3"):
        distinct(["A b"], tokenize=len)
    with pytest.raises(UserError, match="samples has one sentence"):
        self_bleu(["a b"])
    with pytest.raises(
        UserError, match=r"19 sentences a side: frechet needs at least 20 samples, .* references, twice"
    ):
        frechet(["a"] * 20, ["a"] * 39)
    with pytest.raises(UserError, match="15 sentences a side: a fresh critic needs at least 16"):
        fresh_critic_bound(["a"] * 20, ["a"] * 15)
