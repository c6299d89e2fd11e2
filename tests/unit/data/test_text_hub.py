"""Data sets by name: of the Hub, of a folder laid out like it, and benchmarks known by their checksum."""

import hashlib
import json
import socket
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from tests.helpers.playing import CONF
from tests.helpers.texts import LINES, texts
from textgan_lit.data.text import TextData
from textgan_lit.errors import UserError

COCO = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_coco = pytest.mark.skipif(
    not (COCO / "image_coco_train.txt").is_file(), reason="Image COCO is not beside the checkout"
)


def test_a_folder_laid_out_like_the_hubs(tmp_path, put, monkeypatch):
    (tmp_path / "set").mkdir()
    for split, lines in {"train": LINES, "validation": LINES[:8], "test": LINES[8:12]}.items():
        put("\n".join(json.dumps({"text": line}) for line in lines), f"set/{split}.jsonl")
    monkeypatch.setenv("HOME", str(tmp_path))
    given = {"name": "~/set", "cache": str(tmp_path / "cache"), "tokenizer": "whitespace"}
    assert TextData(**given).sizes == {"train": 36, "valid": 8, "test": 4}
    put("\n".join(json.dumps({"text": line}) for line in LINES[8:14]), "set/test.jsonl")
    assert TextData(**given).sizes["test"] == 6
    with pytest.raises(UserError, match=r"split train of data\.name, row 1, has 3 tokens"):
        TextData(**given, max_length=3, too_long="error")


@needs_coco
def test_image_coco_is_known_by_its_checksum(tmp_path):
    train, test = (str(COCO / f"image_coco_{split}.txt") for split in ("train", "test"))
    with initialize_config_dir(str(CONF), version_base=None):
        overrides = [
            "data=coco",
            f"data.path={train}",
            f"data.test_path={test}",
            f"data.cache={tmp_path}",
            "data.tokenizer=whitespace",
        ]
        settings = OmegaConf.to_container(compose("train", overrides).data)
    made = TextData(**{key: value for key, value in settings.items() if key != "_target_"})
    assert made.sizes == {"train": 9000, "valid": 1000, "test": 10_000}
    assert sum("COCO captions for " in line for line in made.summary) == 2
    lines = {" ".join(line.split()) for line in Path(train).read_text().splitlines()}
    assert set(texts(made, "train")) <= lines


def test_another_version_of_a_benchmark_says_so(data):
    assert any("train: no version that is known here (sha256 " in line for line in data(versions={"0": "It"}).summary)
    digest = hashlib.sha256(("\n".join(LINES) + "\n").encode()).hexdigest()
    assert f"train: It (sha256 {digest[:12]}…)." in data(versions={digest[:9]: "It"}).summary
    assert not any("sha256" in line for line in data().summary)


@pytest.mark.parametrize(
    "overrides", [["data=emnlp_news", "data.path=a.txt", "data.test_path=b.txt"], ["data=hub", "data.name=a/b"]]
)
def test_other_data_sets_compose_with_the_metrics_of_text(overrides):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", overrides)
        assert config.metrics == compose("train", ["metrics=text"]).metrics
    assert config.data._target_ == "textgan_lit.data.text.TextData"


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    """Nobody knows any address, nothing was had before, waiting takes no time: the addresses that were asked for."""
    import datasets

    asked = []

    def unknown(host, *_, **__):
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")
    return asked


def test_a_hub_that_cannot_be_reached_says_so_after_one_question(tmp_path, no_network):
    said = r"data\.name=a/b cannot be had \(the Hub does not answer: .*not known\)\. Give .* a network .* or its folder"
    with pytest.raises(UserError, match=said):
        TextData(name="a/b", cache=str(tmp_path / "cache"))
    assert 1 <= len(no_network) <= 2  # a new huggingface_hub also looks for a list of its own; datasets asked 7 times
    assert not [path for path in (tmp_path / "cache").iterdir() if path.is_dir()]


def test_what_was_had_of_the_hub_before_needs_no_network(tmp_path, put, no_network):
    import datasets

    lines = put([json.dumps({"text": line}) for line in LINES], "lines.jsonl")
    datasets.load_dataset("json", data_files=lines, cache_dir=str(tmp_path / "had"))
    (table,) = (tmp_path / "had").rglob("json-train.arrow")
    room = tmp_path / "hub" / "a___b" / "default" / "0.0.0"  # as a dataset of the Hub lies there
    room.mkdir(parents=True)
    table.rename(table.with_name("b-train.arrow")).parent.rename(room / table.parent.name)
    assert TextData(name="a/b", cache=str(tmp_path / "cache")).sizes == {"train": 30, "valid": 4, "test": 2}
    assert 1 <= len(no_network) <= 2
    assert not datasets.config.HF_HUB_OFFLINE


def test_what_the_hub_answers_is_said(tmp_path, monkeypatch):
    def absent(*_, **__):
        raise FileNotFoundError("Dataset 'a/b' doesn't exist on the Hub")

    monkeypatch.setattr("huggingface_hub.HfApi.dataset_info", lambda *_, **__: None)
    monkeypatch.setattr("datasets.load_dataset", absent)
    with pytest.raises(UserError, match=r"data\.name=a/b cannot be had \(Dataset 'a/b' doesn't exist on the Hub\)"):
        TextData(name="a/b", cache=str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("overrides", "model"),
    [
        (["data=text"], "text"),
        (["data=coco"], "text"),
        (["data=text", "model=mle"], "mle"),
        (["model=airl", "data=hub"], "airl"),
        (["experiment=demo"], "minimax"),
    ],
)
def test_text_brings_a_method_unless_one_is_asked_for(overrides, model):
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("train", overrides, return_hydra_config=True)
    assert config.hydra.runtime.choices.model == model
