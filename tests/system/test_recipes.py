"""The recipes of your own text: each is short, composes, and plays a file to its end in one command."""

import pytest
import yaml
from hydra import compose, initialize_config_dir

import textgan_lit
from tests.helpers.command import smoke
from tests.helpers.playing import CONF

RECIPES = ("text", "coco", "names", "poems", "molecules")
LINES = {
    "text": ["In the beginning there was a word.", "And the word was short; it was good."],
    "coco": ["a man riding a horse on the beach .", "a cat that is sitting on a chair ."],
    "names": ["Anna", "Otto", "Hannah"],
    "poems": ["春眠不覺曉，處處聞啼鳥。", "夜來風雨聲，花落知多少。"],
    "molecules": ["CCO", "c1ccccc1", "CC(=O)Oc1ccccc1C(=O)O"],
}


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_fits_on_a_few_lines_and_overrides_what_it_must(name):
    text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 15
    assert "docs/own_text.md#recipes" in text
    assert yaml.safe_load(text)["data"]["seed"] == "${seed}"  # every seed holds out sentences of its own


@pytest.mark.parametrize("name", sorted(path.stem for path in (CONF / "experiment").glob("*.yaml")))
def test_a_recipe_goes_with_any_metrics(name):
    """It sets nothing within what another choice of the group takes away."""
    for chosen in ("none", "default", "text", "pretrained"):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            metrics = compose("train", [f"experiment={name}", f"metrics={chosen}"]).metrics
        for when, entries in metrics.items():
            assert all("_target_" in entry for entry in entries.values()), f"metrics={chosen}: {when}"


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_plays_a_file_to_its_end(monkeypatch, tmp_path, capsys, unchecked_shapes, name):
    (tmp_path / "my.txt").write_text("\n".join(LINES[name] * 40), encoding="utf-8")
    files = [f"data.path={tmp_path}/my.txt", f"data.cache={tmp_path}/cache", "data.test=16", "data.valid=16"]
    files += [f"data.test_path={tmp_path}/my.txt"] if name == "coco" else []
    smoke(monkeypatch, tmp_path / "run", f"experiment={name}", *files, "metrics=none")
    said = capsys.readouterr().out
    assert "a character" in said
    written = textgan_lit.load(tmp_path / "run").sample(4)
    assert "<unk>" not in "".join(written)
