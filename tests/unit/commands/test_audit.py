"""textgan audit: what it says and exits with."""

import json
import re
import subprocess
import sys

import pytest

from tests.helpers.command import textgan
from textgan_lit.model import reward

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def test_a_sound_model_exits_with_0_and_says_so(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    overrides = ("model=minimax", "data.oracle.variable=false")
    assert textgan(monkeypatch, "audit", *overrides, "--batches", "50", "--steps", "5", "model.generator.order=1") == 0
    out = capsys.readouterr().out
    assert "JSD(P‖G)" in out
    assert "as given, D = D*: unbiased within 4 SE" in out
    assert "taught D" in out
    legend = out.partition("cosine: of")[2]
    assert all(f" {column}: " in legend.replace("\n", " ") for column in ("along", "aside", "variance"))  # each is said


def test_a_broken_one_exits_with_1(monkeypatch, capsys):
    monkeypatch.setattr(reward.Minimax, "__call__", lambda self, score: -score)
    assert textgan(monkeypatch, "audit", "model=minimax", "--batches", "50", "--steps", "0", "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["passed"] is False
    worlds = [(row["world"], row["player"]) for row in said["findings"] if row["claim"] == "JSD(P‖G)"]
    assert worlds == [("fixed length", "D = D*"), ("with eos", "D = D*")]
    assert all(not row["passed"] for row in said["findings"] if row["claim"] == "JSD(P‖G)")
    first, other = (row["measured"][0] for row in said["findings"] if row["claim"] == "JSD(P‖G)")
    assert first["variance"] != other["variance"]
    assert first["agreement"]["along"] < 0
    assert (first["batches"], first["batch"]) == (50, 32)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["audit", "data=dyck"], r"lists every sentence of its world, which is data=tiny"),
        (["audit", "model=seqgann"], r"model=seqgann: there is no such option\. Nearest: seqgan"),
        (["audit", "model/policy=top_k"], r"TopK"),
        (["audit", "data.oracle.vocab_size=1000"], r"makes 1000\^3"),
    ],
)
def test_a_mistake_is_answered_in_one_line(arguments, said, monkeypatch):
    line = str(textgan(monkeypatch, *arguments))
    assert line.startswith("textgan_lit: ")
    assert "\n" not in line
    assert re.search(said, line), line


@pytest.mark.parametrize("arguments", [[], ["audit"]])
def test_help_needs_no_torch(arguments):
    code = (
        "import sys; sys.argv = ['textgan', *sys.argv[1:], '--help']\n"
        "from textgan_lit.commands import main\n"
        "try: main()\nfinally: print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.strip().endswith("False")
    assert "audit" in done.stdout
