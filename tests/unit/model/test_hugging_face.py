"""What is opened is data: a known kind of network and safetensors. All else is one line, before memory is taken."""

import json
import os

import pytest
import torch

pytest.importorskip("transformers", reason="pretrained models need the extra lm")

from tests.helpers import tiny_lm
from textgan_lit.errors import UserError
from textgan_lit.model import hugging_face
from textgan_lit.run import model_folder

WHERE = "model.generator.name"


@pytest.fixture
def folder(tmp_path):
    return tiny_lm.save(tmp_path / "lm")


def opened(folder):
    return hugging_face.opened(str(folder), "AutoModelForCausalLM", "float32", WHERE)


def refused(folder, match):
    with pytest.raises(UserError, match=match) as error:
        opened(folder)
    assert "\n" not in str(error.value)


def test_a_folder_is_opened_with_the_digest_of_its_weights(folder):
    network, digest = opened(folder)
    assert not network.training
    assert digest == hugging_face.digest([folder / "model.safetensors"])
    assert len(digest) == 64


def test_other_weights_have_another_digest(folder, tmp_path):
    other = tiny_lm.save(tmp_path / "other", seed=1)
    assert opened(folder).digest != opened(other).digest


def test_dropout_is_off(tmp_path):
    network, _ = opened(tiny_lm.save(tmp_path, "gpt2", resid_pdrop=0.5, embd_pdrop=0.5, attn_pdrop=0.5))
    network.train()
    ids = torch.tensor([[4, 5, 6]])
    assert torch.equal(network(ids).logits, network(ids).logits)


def test_without_numbers_nothing_is_read(folder, monkeypatch):
    monkeypatch.setattr(hugging_face, "digest", None)
    with torch.device("meta"):
        network, digest = opened(folder)
    assert {weight.device.type for weight in network.parameters()} == {"meta"}
    assert digest == ""


def test_a_folder_that_is_not_there(tmp_path):
    refused(tmp_path / "none", r"is no folder here")


def test_a_name_of_the_hub_that_is_not_in_its_cache():
    refused("nobody/nothing", r"the Hub's cache has no such model.*hf download nobody/nothing")


def test_no_configuration(folder):
    (folder / "config.json").unlink()
    refused(folder, r"has no config\.json")


@pytest.mark.parametrize("text", ["{", "[]", '{"a":' * 100_000, "\0"])
def test_a_configuration_that_is_none(folder, text):
    (folder / "config.json").write_text(text)
    refused(folder, r"config\.json (cannot be read|holds no settings)")


@pytest.mark.parametrize(
    ("key", "value", "match"),
    [
        ("auto_map", {"AutoModelForCausalLM": "modeling.Theirs"}, r"names code, which is not run here"),
        ("quantization_config", {"quant_method": "gptq"}, r"weights are quantized\. Give plain weights"),
        ("transformers_weights", "../theirs.safetensors", r"names other weights than model\.safetensors"),
        ("configuration_files", ["config.4.0.0.json"], r"names other configurations"),
        ("final_logit_softcapping", 30.0, r"caps its logits"),
    ],
)
def test_a_configuration_that_asks_for_what_is_not_done(folder, key, value, match):
    tiny_lm.change_config(folder, **{key: value})
    refused(folder, match)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"hidden_size": 32}, r"cannot be opened \(RuntimeError"),
        ({"num_hidden_layers": "two"}, r"cannot be opened \("),
        ({"num_attention_heads": 0}, r"cannot be opened \("),
    ],
    ids=str,
)
def test_settings_that_fit_no_network_or_no_file(folder, settings, match):
    tiny_lm.change_config(folder, **settings)
    refused(folder, match)


def test_a_file_that_is_cut_off(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    refused(folder, r"cannot be opened \(Safetensor")


@pytest.fixture
def sharded(folder):
    """The same model in several files."""
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    network.save_pretrained(folder, max_shard_size="5KB")
    return folder


def test_of_several_files_each_that_is_read_counts(sharded, tmp_path):
    shards = sorted(sharded.glob("model-*.safetensors"))
    assert len(shards) > 1
    (sharded / "consolidated.safetensors").write_bytes(b"of another program")
    assert opened(sharded).digest == hugging_face.digest(shards)


@pytest.mark.parametrize("part", ["pytorch_model.bin", "../model-00001-of-00002.safetensors", "none.safetensors", 3])
def test_an_index_that_names_other_files(sharded, part):
    (sharded / "pytorch_model.bin").touch()
    (sharded.parent / "model-00001-of-00002.safetensors").touch()
    index = sharded / "model.safetensors.index.json"
    found = json.loads(index.read_text())
    found["weight_map"]["lm_head.weight"] = part
    index.write_text(json.dumps(found))
    refused(sharded, rf"index\.json names .*{part}.*, wanted safetensors files of that folder")


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}])
def test_an_index_that_names_none(sharded, index):
    (sharded / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(sharded, r"index\.json names None, wanted safetensors files")


@pytest.mark.parametrize("kind", ["opt", "bert", None, 3])
def test_another_kind_of_network(folder, kind):
    tiny_lm.change_config(folder, model_type=kind)
    refused(folder, r"is of model_type .*wanted .*llama")


def test_weights_that_can_run_code(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, r"holds no model\.safetensors.*can run code.*save_pretrained")


def test_an_adapter_of_another_model(folder):
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "theirs"}))
    refused(folder, r"holds an adapter of another model")


def test_more_layers_than_weights(folder):
    tiny_lm.change_config(folder, num_hidden_layers=10**9)
    refused(folder, r"asks for 1,000,000,000 layers, and its files hold")


def test_a_layer_that_is_not_in_the_file(folder):
    tiny_lm.change_config(folder, num_hidden_layers=3)
    refused(folder, r"lacks the weight .*layers\.2")


def test_more_memory_than_there_is(folder, monkeypatch):
    monkeypatch.setattr(os, "sysconf", lambda name: 1)
    refused(folder, r"takes .* GB, and this machine has .*dtype=bfloat16")


def test_what_ends_a_text_is_asked_of_generation_first(folder):
    assert hugging_face.enders(str(folder), WHERE) == [1]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [1, 2]}))
    assert hugging_face.enders(str(folder), WHERE) == [1, 2]


def test_a_text_that_could_not_end(folder):
    (folder / "generation_config.json").unlink(missing_ok=True)
    tiny_lm.change_config(folder, eos_token_id=None)
    with pytest.raises(UserError, match="names no eos_token_id"):
        hugging_face.enders(str(folder), WHERE)


@pytest.mark.parametrize("ids", [[], "</s>", [1, None], -1, True])
def test_an_end_that_is_no_token(folder, ids):
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    with pytest.raises(UserError, match=r"has eos_token_id .*wanted the id of a token"):
        hugging_face.enders(str(folder), WHERE)


def test_a_models_tokenizer_is_named_by_its_folder(folder):
    assert model_folder.tokenizer_of(str(folder)) == str(folder / "tokenizer.json")
    assert model_folder.tokenizer_of(str(folder / "tokenizer.json")) == str(folder / "tokenizer.json")


def test_a_name_in_the_hubs_cache_means_the_same_model_everywhere(folder, monkeypatch):
    pytest.importorskip("huggingface_hub", reason="which has the cache")
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda name, file: str(folder / file))
    for name in ("gpt2", "org/model-1.5"):
        assert model_folder.find(name, WHERE) == folder
        assert model_folder.tokenizer_of(name) == str(folder / "tokenizer.json")
    with pytest.raises(UserError, match="is no folder here"):
        model_folder.find("./model", WHERE)
    assert model_folder.tokenizer_of("./model") == "./model"


@pytest.mark.parametrize("name", ["./lm", "/no/lm", "../lm", "a/b/lm", "lm/"])
def test_a_path_that_is_not_there_is_nothing_to_fetch(name):
    with pytest.raises(UserError, match=r"is no folder here.*and safetensors\.$"):
        model_folder.find(name, WHERE)


def test_a_model_without_a_tokenizer(folder):
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=rf"{WHERE}=\S+lm has no tokenizer\.json"):
        hugging_face.spelling(str(folder), WHERE)
