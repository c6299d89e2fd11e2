"""docs/extending.md, followed to the letter: its files are written, its commands are run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

import textgan_lit
from tests.helpers.command import rows, run
from textgan_lit.build import parts
from textgan_lit.errors import UserError
from textgan_lit.run.checkpoint import kept, read
from textgan_lit.types import Vocab

CHECKOUT = Path(__file__).parents[2]
PAGE = (CHECKOUT / "docs" / "extending.md").read_text()
FILES = dict(re.findall(r"^`(\S+)`\n\n```\w+\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
SHELL = "".join(re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)).splitlines()
COMMANDS = [line for line in SHELL if line.startswith("textgan-train ")]
OPTION = re.compile(r"([\w/]+)(?:@[\w.]+)?=(\w+)")  # model/reward=tempered


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """The reader's folder, with all that the page has them write."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    lines = ["the cat sat", "a dog ran away", "the dog sat down here"]
    (tmp_path / "sentences.txt").write_text("\n".join(lines * 1600))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.split(".")[0] == "my_lab"]:
        del sys.modules[name]


def targets(command: str) -> set[str]:
    """The classes of the page that a command's options name."""
    options = [OPTION.fullmatch(token) for token in shlex.split(command)]
    files = [f"my_lab/conf/{option[1]}/{option[2]}.yaml" for option in options if option]
    parts = [yaml.safe_load(FILES[file]) for file in files if file in FILES]
    return {part["_target_"] for part in parts if "_target_" in part} | {
        "my_lab.reward.Tempered" for part in parts if "defaults" in part
    }


def check(command: str, folder: Path, said: str) -> None:
    """That the run in ``folder`` was made of the classes that ``command`` asks for."""
    found, config = targets(command), (folder / ".hydra" / "config.yaml").read_text()
    assert all(f"_target_: {target}\n" in config for target in found)
    assert ("A null control" in said) == ("model/control=shuffled" in command)
    log = rows(folder)
    rewards = [row["generator/reward"] for row in log if "generator/reward" in row]
    if "my_lab.reward.Tempered" in found:  # near D = ½ it is near ½, where the model's own reward is near 0
        assert len(rewards) == 3
        assert all(0.4 < reward < 0.6 for reward in rewards)
    saved = read(kept(folder / "checkpoints")[0])
    assert ("discriminator.hidden.weight" in saved["state_dict"]) == ("my_lab.discriminator.Bag" in found)
    overrides = ["a", "away", "cat", "dog", "down", "here", "ran", "sat", "the"]
    of_the_file = saved["textgan_lit"]["vocab"] == {"tokens": overrides, "has_eos": True, "tokenizer": None}
    assert of_the_file == ("my_lab.data.Lines" in found)
    assert any("truth/jsd" in row for row in log) == (not of_the_file)
    assert any("truth/nll_test" in row and "bound/value" in row for row in log)


def test_no_file_on_the_page_goes_unused():
    parts = [yaml.safe_load(text) for name, text in FILES.items() if name.endswith(".yaml")]
    named = {part["_target_"] for part in parts if "_target_" in part}
    assert sum(name.endswith(".py") for name in FILES) == len(named) == len(parts) - 1 == 3  # and a method
    assert set().union(*map(targets, COMMANDS)) == named


def test_parts_of_ones_own_import_from_the_public_face_alone():
    imports = re.findall(r"^(?:from|import) textgan_lit\S*.*", PAGE, re.MULTILINE)
    assert len(imports) > 3
    assert {line for line in imports if not line.startswith("from textgan_lit import ")} == {"import textgan_lit"}
    assert {name for name in re.findall(r"`textgan_lit\.([\w.]+)", PAGE) if name not in textgan_lit.__all__} == set()
    table = PAGE.partition("| group | base class |")[2].partition("\n\n")[0]
    bases = set(re.findall(r"^\| [^|]*\| `(\w+)` \|", table, re.MULTILINE))
    assert len(bases) > 9
    assert bases <= {*textgan_lit.__all__}


@pytest.mark.parametrize("number", range(len(COMMANDS)))
def test_every_command_on_the_page_plays(number, lab, monkeypatch, capsys, unchecked_shapes):
    program, *overrides = shlex.split(COMMANDS[number])
    assert program == "textgan-train"
    run(monkeypatch, *overrides, "debug=smoke", "logger=csv", f"hydra.run.dir={lab / 'run'}")
    check(COMMANDS[number], lab / "run", capsys.readouterr().out)


@pytest.mark.slow
def test_a_process_of_its_own_finds_the_package_after_the_pages_exports(lab):
    """The command that uses a discriminator and a reward of the page, by bash, as a reader gives it."""
    (command,) = (line for line in COMMANDS if {"my_lab.reward.Tempered", "my_lab.discriminator.Bag"} <= targets(line))
    train = shlex.join([sys.executable, str(CHECKOUT / "train.py")])  # as the page says: it takes the same overrides
    short = f"debug=smoke logger=csv hydra.run.dir={shlex.quote(str(lab / 'run'))}"
    script = [*(line for line in SHELL if line.startswith("export ")), command.replace("textgan-train", train)]
    done = subprocess.run(["bash", "-euc", f"{chr(10).join(script)} {short}"], cwd=lab, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    check(command, lab / "run", done.stdout)


def test_a_setting_is_checked_as_the_page_says(lab):
    said = re.search(r"`(model\.reward\.temperature=-1: wanted .*?)`", PAGE)[1]
    reward = yaml.safe_load(FILES["my_lab/conf/model/reward/tempered.yaml"])
    with pytest.raises(UserError) as refused:
        parts.part(reward | {"temperature": -1}, "model.reward")
    assert str(refused.value) == said


def test_what_stands_on_padding_never_changes_the_score_of_the_pages_discriminator(lab):
    bag = yaml.safe_load(FILES["my_lab/conf/model/discriminator/bag.yaml"])
    bag = parts.part(bag, "model.discriminator", vocab=Vocab(("a", "b"), has_eos=True), max_length=4)
    mask = torch.tensor([[True, True, False, False]])
    one, other = torch.tensor([[0, 2, 4, 4]]), torch.tensor([[0, 2, 1, 0]])
    assert bag(one, mask).equal(bag(other, mask))
