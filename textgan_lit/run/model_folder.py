"""Where a pretrained model lies: a folder, or the Hub's cache of it. Nothing is downloaded."""

from __future__ import annotations

import os
import re
from pathlib import Path

from textgan_lit.errors import PATH, UserError, shown

ID = re.compile(r"(?!.*\.json$)\w[\w.-]*(/\w[\w.-]*)?")  # the Hub's, which may be a relative path, too


def find(name: str, where: str) -> Path:
    """The folder that ``name`` means: its path, or the Hub's id of a model that is in the cache.

    Raises:
        UserError: there is no such folder here; ``where`` is the setting that named it.
    """
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return folder
    if (cached := _cached(name)) is not None:
        return cached
    raise UserError(
        f"{where}={shown(name, PATH)} is no folder here, and the Hub's cache has no such model. Give a folder with "
        f"config.json, tokenizer.json and safetensors{or_fetch(name)}"
    )


def or_fetch(name: str) -> str:
    """How an error may end that has said what to give in place of ``name``."""
    return f", or fetch the model first: hf download {shown(name, PATH)}" if ID.fullmatch(name) else "."


def tokenizer_of(name: str) -> str:
    """The path of the tokenizer.json that ``data.tokenizer=name`` means: ``name``, or that of the model it means."""
    place = Path(os.path.expanduser(name))
    folder = place if place.is_dir() else None if place.exists() else _cached(name)
    return name if folder is None else str(folder / "tokenizer.json")


def _cached(name: str) -> Path | None:
    if not ID.fullmatch(name):
        return None
    try:
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError
    except ImportError:
        return None
    try:
        found = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(found).parent if isinstance(found, str) else None
