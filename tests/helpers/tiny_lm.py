"""Language models of two layers with random weights, saved as transformers saves one: nothing is downloaded."""

import json
from pathlib import Path

import torch

SPECIALS = ("<s>", "</s>", "<|user|>")  # begins, ends and one more
UNKNOWN = "?"
SIZES = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 32}
OF_KIND = {
    "gpt2": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32},
    "gemma3_text": SIZES | {"intermediate_size": 32, "num_key_value_heads": 2, "head_dim": 4, "sliding_window": 16},
    **{
        kind: SIZES | {"intermediate_size": 32, "num_key_value_heads": 2, "head_dim": 4}
        for kind in ("llama", "mistral", "qwen2", "qwen3")
    },
}


NAMED = (*SPECIALS, UNKNOWN)


def tokens_of(letters: str) -> list[str]:
    return [*NAMED, *letters]


def save(
    folder: Path, kind: str = "llama", letters: str = "abcd \n", seed: int = 0, named: tuple = NAMED, **settings
) -> Path:
    """A model of a ``kind`` whose tokens are special ones and ``letters``; its table has three rows more."""
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    names = [*named, *letters]
    config = AutoConfig.for_model(
        kind,
        **OF_KIND[kind]
        | {"vocab_size": len(names) + 3, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
        | settings,
    )
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)  # the usual beginnings give every token the same probability
    model.save_pretrained(folder)
    (folder / "tokenizer.json").write_text(spelling(names))
    return folder


def spelling(names: list[str]) -> str:
    """A tokenizer.json that cuts text into letters; what is longer than one is special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names if len(name) > 1])
    return tokenizer.to_str()


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def change_config(folder: Path, **settings) -> None:
    (folder / "config.json").write_text(json.dumps(config_of(folder) | settings))
