"""Pretrained networks as Hugging Face's transformers saves them, opened from a folder: a configuration of a known kind
and safetensors. No code of theirs runs, and nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from textgan_lit import tokenizer
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.run import model_folder

DType = Literal["float32", "bfloat16"]
# What was played: tests/unit/model/generator/test_pretrained.py, tests/unit/model/discriminator/test_encoder.py
KINDS = {
    "AutoModelForCausalLM": ("gemma3_text", "gpt2", "llama", "mistral", "qwen2", "qwen3"),
    "AutoModel": ("bert", "distilbert", "mpnet", "roberta"),
}
CONFIG = 2**20  # characters of a config.json: those of large models have 2,000
HEADER = 2**26  # bytes of a safetensors' header: those of large models have some hundred thousand
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"  # of which transformers reads the first there is
# Settings that would have something else opened than what was looked at, and what to give instead
ELSEWHERE = {
    "auto_map": "names code, which is not run here. Give a model that transformers knows",
    "quantization_config": "says that its weights are quantized. Give plain weights",
    "transformers_weights": f"names other weights than {WHOLE}. Save it anew without",
    "configuration_files": "names other configurations. Save it anew without",
}
RANDOM = ("dropout", "pdrop", "dropout_prob")  # how the settings of what is left to chance end


class Opened(NamedTuple):
    """A network in eval mode, and the sha256 of the files that its weights were read from."""

    network: nn.Module
    digest: str


def need() -> None:
    """Says what to install where transformers is missing, and keeps it quiet where it is not."""
    try:
        import transformers
    except ImportError:
        raise UserError('Pretrained models need transformers. Install it: pip install "textgan_lit[lm]"') from None
    transformers.utils.logging.disable_progress_bar()  # a run has a bar of its own
    transformers.utils.logging.set_verbosity_error()  # else it lists each weight that nobody asked for


def opened(name: str, auto: Literal["AutoModelForCausalLM", "AutoModel"], dtype: DType, where: str) -> Opened:
    """The network in the folder that ``name`` means; without numbers where torch's meta device is the default.

    Dropout is off in it: the same sentence has the same score each time.

    Raises:
        UserError: the folder, its configuration or its weights are none that may be opened, or there is no memory.
    """
    settings(name, auto, where)
    folder, said = model_folder.find(name, where), f"{where}={shown(name, PATH)}"
    files = _weight_files(folder, said)
    try:
        network = _network(folder, auto, dtype, files, said)
    except UserError:
        raise
    except Exception as error:  # whatever transformers makes of odd settings and files
        what = shown(f"{type(error).__name__}: {' '.join(str(error).split())}")
        raise UserError(f"{said} cannot be opened ({what}). Give it whole, as transformers saves a model.") from None
    return Opened(network.eval(), "" if torch.get_default_device().type == "meta" else digest(files))


def settings(name: str, auto: Literal["AutoModelForCausalLM", "AutoModel"], where: str) -> dict[str, Any]:
    """The config.json in the folder that ``name`` means, of a kind that may be opened.

    Raises:
        UserError: there is none, or it is of another kind.
    """
    need()
    said = f"{where}={shown(name, PATH)}"
    found = _read(model_folder.find(name, where) / "config.json", said)
    _check_config(found, KINDS[auto], said)
    return found


def _network(folder: Path, auto: str, dtype: DType, files: list[Path], said: str) -> nn.Module:
    """The network, without numbers where torch's meta device is the default."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    for setting in [name for name in vars(config) if name.endswith(RANDOM)]:
        setattr(config, setting, 0.0)
    attention = "eager" if config.model_type == "mpnet" else "sdpa"  # which transformers has not for every kind
    cls, how = getattr(transformers, auto), {"dtype": getattr(torch, dtype), "attn_implementation": attention}
    without_pooler = {"add_pooling_layer": False} if config.model_type in ("bert", "mpnet", "roberta") else {}
    _check_layers(config, files, said)
    with torch.device("meta"):
        empty = cls.from_config(config, **how, **without_pooler)
    _check_memory(empty, said)
    if torch.get_default_device().type == "meta":
        return empty
    network, report = cls.from_pretrained(
        folder,
        config=config,
        local_files_only=True,
        trust_remote_code=False,
        use_safetensors=True,
        output_loading_info=True,
        **how,
        **without_pooler,
    )
    if lacking := sorted(report["missing_keys"]):
        raise UserError(f"{said} lacks the weight {shown(lacking[0])} that its config.json asks for. Give it whole.")
    return network


def digest(files: list[Path]) -> str:
    """The sha256 of these files, one after the other."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while part := file.read(2**22):
                found.update(part)
    return found.hexdigest()


def enders(name: str, where: str) -> list[int]:
    """The tokens that end a text, by the model's generation_config.json, or by its config.json."""
    folder = model_folder.find(name, where)
    for file in ("generation_config.json", "config.json"):
        if (folder / file).is_file():
            found = _read(folder / file, f"{where}={shown(name, PATH)}").get("eos_token_id")
            if found is not None:
                found = found if isinstance(found, list) else [found]
                if not found or not all(type(number) is int and number >= 0 for number in found):
                    raise UserError(
                        f"{where}={shown(name, PATH)}: its {file} has eos_token_id {shown(found)}, wanted the id of a "
                        "token, or of some."
                    )
                return found
    raise UserError(f"{where}={shown(name, PATH)}: its config.json names no eos_token_id, so no text could end.")


def spelling(name: str, where: str) -> str:
    """The text of the tokenizer.json in the folder that ``name`` means."""
    path = model_folder.find(name, where) / "tokenizer.json"
    if not path.is_file():
        raise UserError(
            f"{where}={shown(name, PATH)} has no tokenizer.json. Give a folder that a tokenizer was saved in, too."
        )
    return tokenizer.read(str(path), where)


class Frame(NamedTuple):
    """The ids that a tokenizer.json puts before and after a sentence, such as those of [CLS] and [SEP]."""

    before: list[int]
    after: list[int]


def frame(text: str, said: str) -> Frame:
    """What the tokenizer.json ``text`` asks for around a sentence. It is read here: tokenizers are opened without it.

    Raises:
        UserError: it asks for nothing, or in a way that is not known.
    """
    part = json.loads(text).get("post_processor") or {}
    try:
        (part,) = (one for one in part.get("processors", [part]) if one["type"] != "ByteLevel")
        if part["type"] in ("BertProcessing", "RobertaProcessing"):
            found = Frame([part["cls"][1]], [part["sep"][1]])
        else:
            named = [piece.get("SpecialToken", {}).get("id") for piece in part["single"]]  # None: the sentence
            place, ids = named.index(None), part["special_tokens"]
            sides = named[:place], named[place + 1 :]
            found = Frame(*([number for name in side for number in ids[name]["ids"]] for side in sides))
        if not all(isinstance(number, int) and number >= 0 for side in found for number in side):
            raise TypeError(found)
        return found
    except (AttributeError, KeyError, IndexError, TypeError, ValueError):
        raise UserError(
            f"{said}: its tokenizer.json does not say what stands around a sentence (post_processor). Give an encoder "
            "as transformers saves it."
        ) from None


def _read(path: Path, said: str) -> dict[str, Any]:
    try:
        with path.open(encoding="utf-8") as file:
            found = json.loads(file.read(CONFIG))
    except FileNotFoundError:
        raise UserError(f"{said} has no {path.name}. Give a folder as transformers saves a model.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{said}: its {path.name} cannot be read ({shown(str(error))}).") from None
    if not isinstance(found, dict):
        raise UserError(f"{said}: its {path.name} holds no settings.")
    return found


def _check_config(config: Mapping[str, Any], kinds: tuple[str, ...], said: str) -> None:
    for key, instead in ELSEWHERE.items():
        if key in config:
            raise UserError(f"{said}: {key} in its config.json {instead}.")
    if config.get("final_logit_softcapping") is not None:
        raise UserError(f"{said} caps its logits (final_logit_softcapping), as none here does. Give another model.")
    kind = config.get("model_type")
    if kind not in kinds:
        raise UserError(f"{said} is of model_type {shown(str(kind))}, wanted {', '.join(kinds)}.")


def _weight_files(folder: Path, said: str) -> list[Path]:
    if (folder / "adapter_config.json").exists():
        raise UserError(f"{said} holds an adapter of another model. Merge it into that model, and give the result.")
    own = {path.name: path for path in folder.glob("*.safetensors") if path.is_file()}
    if WHOLE in own:
        return [own[WHOLE]]
    if not (folder / INDEX).is_file():
        raise UserError(
            f"{said} holds no {WHOLE}. Others (pytorch_model.bin) can run code when they are opened: save it anew with "
            "model.save_pretrained(FOLDER)."
        )
    parts = _read(folder / INDEX, said).get("weight_map")
    parts = sorted({str(part) for part in parts.values()}) if isinstance(parts, dict) else []
    if not parts or not own.keys() >= {*parts}:
        other = next((part for part in parts if part not in own), None)
        raise UserError(f"{said}: its {INDEX} names {shown(other)}, wanted safetensors files of that folder.")
    return [own[part] for part in parts]


def _check_layers(config: Any, files: list[Path], said: str) -> None:
    """So many layers as a configuration asks for are made one by one, so it may not ask for more than there are."""
    layers, weights = config.num_hidden_layers, sum(map(_weights_in, files))
    if layers > weights:
        raise UserError(f"{said}: its config.json asks for {layers:,} layers, and its files hold {weights:,} weights.")


def _weights_in(path: Path) -> int:
    """How many weights a safetensors file names."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return file.read(size).count(b'"data_offsets"') if size < HEADER else 0


def _check_memory(network: nn.Module, said: str) -> None:
    needs = sum(weight.numel() * weight.element_size() for weight in network.parameters())
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needs > has:
        raise UserError(
            f"{said} takes {needs / 1e9:,.1f} GB, and this machine has {has / 1e9:,.1f} GB of memory. Give a smaller "
            "model, or dtype=bfloat16."
        )
