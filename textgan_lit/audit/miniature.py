"""A language model of the kind of a given one, so small that all of its sentences can be listed."""

from __future__ import annotations

from pathlib import Path

import torch

from textgan_lit.model import hugging_face
from textgan_lit.run import files
from textgan_lit.types import Vocab

SIZES = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 4,
    "max_position_embeddings": 32,
    "sliding_window": 32,
}
OF_LAYERS = ("layer_types", "max_window_layers", "use_sliding_window")  # lists and counts of layers that are gone
SPREAD = 0.3  # of its weights: those of usual beginnings make hardly a difference between tokens


def miniature(name: str, letters: str, folder: Path, where: str) -> Vocab:
    """Saves a model with the settings of the one that ``name`` means but for its sizes, and random weights.

    Its tokens are ``letters``. What begins and what ends a text are rows of weights beyond those, so that every
    sentence of letters can be written and no other.

    Raises:
        UserError: ``name`` means no folder of a model that may be opened.
    """
    settings = hugging_face.settings(name, "AutoModelForCausalLM", where)
    import transformers

    kind, begins, ends = settings.pop("model_type"), len(letters), len(letters) + 1
    usual = transformers.AutoConfig.for_model(kind)
    called = {usual.attribute_map.get(size, size): value for size, value in SIZES.items()}
    changed = {size: value for size, value in called.items() if hasattr(usual, size)}
    changed |= {"bos_token_id": begins, "eos_token_id": ends, "pad_token_id": ends, "vocab_size": ends + 1}
    kept = {key: value for key, value in settings.items() if key not in OF_LAYERS}
    config = transformers.AutoConfig.for_model(kind, **(kept | changed))
    network = transformers.AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() > 1:
                weight.normal_(0, SPREAD)
    network.save_pretrained(folder)
    spelling = _spelling(letters)
    files.replace(folder / "tokenizer.json", spelling)
    return Vocab(tuple(letters), has_eos=True, tokenizer=spelling)


def _spelling(letters: str) -> str:
    """The text of a tokenizer.json that cuts text into letters."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({letter: place for place, letter in enumerate(letters)}, unk_token="?"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    return tokenizer.to_str()
