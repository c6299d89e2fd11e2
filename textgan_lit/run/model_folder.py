"""Where a pretrained model lies: a folder, or the Hub's cache of it. Nothing is downloaded."""

from __future__ import annotations

import os
from pathlib import Path

from textgan_lit.errors import PATH, UserError, shown


def find(name: str, where: str) -> Path:
    """The folder that ``name`` means: its path, or the Hub's id of a model that is in the cache.

    Raises:
        UserError: there is no such folder here; ``where`` is the setting that named it.
    """
    folder = Path(os.path.expanduser(name))
    if folder.is_dir():
        return folder
    if name.count("/") <= 1 and not name.startswith((".", "~", "/")) and (cached := _cached(name)) is not None:
        return cached
    raise UserError(
        f"{where}={shown(name, PATH)} is no folder here, and the Hub's cache has no such model. Give a folder with "
        f"config.json, tokenizer.json and safetensors, or fetch it first: hf download {shown(name, PATH)}"
    )


def tokenizer_of(name: str) -> str:
    """The path of the tokenizer.json that ``data.tokenizer=name`` means: a model's own, or ``name`` as it is."""
    folder = Path(os.path.expanduser(name))
    if not folder.is_dir():
        folder = _cached(name) if name.count("/") == 1 and not folder.exists() else None
    return name if folder is None else str(folder / "tokenizer.json")


def _cached(name: str) -> Path | None:
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
