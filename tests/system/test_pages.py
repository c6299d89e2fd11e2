"""docs/plain_pytorch.md, docs/notebook.md and docs/course.md, played as they stand."""

import re
from pathlib import Path

import pytest
import torch

import textgan_lit
from tests.helpers.command import run

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_loop_is_short():
    loop, *_ = blocks("plain_pytorch.md")
    assert sum(bool(line.strip()) for line in loop.splitlines()) <= 30


@pytest.mark.slow
def test_the_loop_teaches_the_generator(capsys, unchecked_shapes):
    loop, measure, _ = blocks("plain_pytorch.md")
    played = {}
    for steps in (0, 100):
        exec(loop.replace("range(200)", f"range({steps})") + measure, space := {})
        played[steps] = space["jsd"]()
    assert played[100] < 0.25 * played[0]
    assert all(re.match(r"true JSD 0\.\d{3} \['w\d w\d w\d', ", line) for line in capsys.readouterr().out.splitlines())


def test_text_of_ones_own_goes_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my.txt").write_text("a dog sat\nthe cat\n\nno dog ran away\n")
    exec(blocks("plain_pytorch.md")[2], space := {})
    text, vocab = space["text"], space["vocab"]
    assert [vocab.text(row) for row in text.tokens.tolist()] == ["a dog sat", "the cat", "", "no dog ran away"]
    assert text.mask.sum(1).tolist() == [4, 3, 1, 5]
    assert text.tokens[text.mask].max() == vocab.eos


def test_every_sum_of_the_course_comes_out_as_it_says(capsys, unchecked_shapes):
    page, space = (DOCS / "course.md").read_text(), {}
    pairs = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(pairs) == len(blocks("course.md")) == 11
    for code, shown in pairs:
        exec(code, space)
        assert capsys.readouterr().out == shown


@pytest.mark.slow
def test_the_notebook(tmp_path, monkeypatch, unchecked_shapes):
    """Its runs in this process, and small: that train starts one of its own is tests/unit/test_training.py's."""
    monkeypatch.chdir(tmp_path)
    played = []

    def train(*overrides):
        folder = tmp_path / str(len(played))
        kept = [override for override in overrides if not override.startswith(("callbacks.", "model.schedule."))]
        run(monkeypatch, *kept, "debug=smoke", "logger=csv", f"hydra.run.dir={folder}")
        played.append(overrides)
        return textgan_lit.load(folder)

    monkeypatch.setattr(textgan_lit, "train", train, raising=False)
    space = {}
    for block in blocks("notebook.md"):
        exec(block, space)
    assert len(played) == 4
    assert {row["arm"] for row in space["table"]} == {"control=none", "control=constant"}
    assert torch.tensor([row["seeds"] for row in space["table"]]).eq(2).all()
