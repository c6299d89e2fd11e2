"""The models and the recipe whose players are opened from folders, played on tiny ones with random weights."""

import json

import pytest
import yaml

pytest.importorskip("transformers", reason="pretrained models need the extra lm")
pytest.importorskip("peft", reason="adapters need the extra lm")

import textgan_lit
from tests.helpers import tiny_lm
from tests.helpers.command import smoke
from tests.helpers.playing import CONF, OF_A_FOLDER

pytestmark = pytest.mark.usefixtures("unchecked_shapes")
LINES = ["ab cd", "abba", "d c b a", "cad", "dada abc"]


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A text, a language model and an encoder."""
    room = tmp_path_factory.mktemp("given")
    (room / "my.txt").write_text("\n".join(LINES * 40))
    tiny_lm.save(room / "lm", named=("<|endoftext|>", *tiny_lm.NAMED[1:]))
    tiny_lm.save_encoder(room / "encoder")
    return room


def of(given):
    files = (f"data.path={given}/my.txt", f"data.cache={given}/cache", f"model.generator.name={given}/lm")
    return *files, "data.valid=32", "data.test=32"


def test_the_recipe_fits_on_a_few_lines():
    text = (CONF / "experiment" / "captions_lm.yaml").read_text()
    assert len(text.splitlines()) <= 20
    assert yaml.safe_load(text)["data"]["seed"] == "${seed}"  # every seed holds out sentences of its own


@pytest.mark.slow
def test_the_recipe_of_captions_plays_to_its_end(monkeypatch, tmp_path, given):
    """With a fresh critic and frozen features beside the game; here its null control, which is one word away."""
    pytest.importorskip("sentence_transformers", reason="frozen features need the extra sentence-transformers")
    reader = tiny_lm.save_reader(tmp_path / "reader", ("ab", "cd", "a", "b", "c", "d"))
    own = ("experiment=captions_lm", "model/control=shuffled", f"model.discriminator.name={reader}")
    smoke(monkeypatch, tmp_path / "run", *own, *of(given))
    columns = json.loads((tmp_path / "run" / "closing.json").read_text())
    for column in ("likelihood", "likelihood_best_temperature", "game"):
        assert {"quality/fresh_bound_32", "quality/feature_bound-reader_16"} <= columns[column].keys()
    assert columns["game"]["steps"] > 0


@pytest.mark.parametrize("model", OF_A_FOLDER)
def test_a_model_of_a_folder_plays(monkeypatch, tmp_path, given, model):
    assert OF_A_FOLDER == ["airl_lm", "grpo_lm"]
    own = ("data=text", f"model={model}", f"data.tokenizer={given}/lm", "data.max_length=8", "metrics=none")
    judge = [f"model.discriminator.name={given}/encoder"] * (model == "grpo_lm")
    rows = smoke(monkeypatch, tmp_path / "run", *own, *of(given), *judge)
    assert all(rows[-1][f"steps/{update}"] for update in ("pretrain", "discriminator", "generator"))
    generator = textgan_lit.load(tmp_path / "run").generator
    learned = {name: weight for name, weight in generator.named_parameters() if weight.requires_grad}
    assert all(".lora_" in name for name in learned)
    assert any("lora_B" in name and weight.any() for name, weight in learned.items())
