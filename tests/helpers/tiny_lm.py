"""Language models and encoders of two layers with random weights, as transformers saves them: nothing is downloaded."""

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

ENCODERS = {  # kind: its settings, and what it calls the first, the last and the missing token
    "bert": (SIZES | {"intermediate_size": 32}, ("[CLS]", "[SEP]", "[PAD]")),
    "distilbert": ({"dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 32}, ("[CLS]", "[SEP]", "[PAD]")),
    "mpnet": (SIZES | {"intermediate_size": 32}, ("<s>", "</s>", "<pad>")),
    "roberta": (SIZES | {"intermediate_size": 32}, ("<s>", "</s>", "<pad>")),
}

NAMED = (*SPECIALS, UNKNOWN)
# What begins and ends a text are rows beyond the tokens, so that all tokens are letters and every sentence can be.
LETTERS_ALONE = {"named": (), "bos_token_id": 10, "eos_token_id": 11, "pad_token_id": 11, "vocab_size": 12}


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
    _write(AutoModelForCausalLM.from_config(config), folder)
    (folder / "tokenizer.json").write_text(spelling(names))
    return folder


def save_encoder(folder: Path, kind: str = "bert", letters: str = "abcd ", seed: int = 0, **settings) -> Path:
    """An encoder of a ``kind`` whose tokens are letters, the first, a missing one, the last, and ``?``."""
    from tokenizers import processors
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(seed)
    sizes, (first, last, missing) = ENCODERS[kind]
    names = [first, missing, last, UNKNOWN, *letters]
    known = {"vocab_size": len(names), "pad_token_id": 1, "max_position_embeddings": 32}
    _write(AutoModel.from_config(AutoConfig.for_model(kind, **sizes | known | settings)), folder)
    around = {
        "bert": processors.TemplateProcessing(f"{first} $A {last}", special_tokens=[(first, 0), (last, 2)]),
        "distilbert": processors.BertProcessing((last, 2), (first, 0)),
        "roberta": processors.RobertaProcessing((last, 2), (first, 0)),
    }
    around["mpnet"] = processors.Sequence([processors.ByteLevel(), around["roberta"]])
    (folder / "tokenizer.json").write_text(spelling(names, around[kind]))
    return folder


def save_reader(folder: Path, words: tuple[str, ...]) -> Path:
    """An encoder of a few words as sentence-transformers saves one."""
    from sentence_transformers import SentenceTransformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words)
    torch.manual_seed(1)
    size = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    BertModel(BertConfig(vocab_size=len(names), **size)).save_pretrained(folder)
    BertTokenizerFast(vocab={name: number for number, name in enumerate(names)}).save_pretrained(folder)
    SentenceTransformer(str(folder), device="cpu").save(str(folder))
    return folder


def _write(model, folder: Path) -> None:
    """Saves ``model`` with larger weights: those of usual beginnings make hardly a difference between tokens."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
    model.save_pretrained(folder)


def spelling(names: list[str], around=None) -> str:
    """A tokenizer.json that cuts text into letters; what is longer than one is special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in names if len(name) > 1])
    if around is not None:
        tokenizer.post_processor = around
    return tokenizer.to_str()


def learned(player):
    """The player, whose adapters and scalar head have learned something."""
    with torch.no_grad():
        for name, weight in player.named_parameters():
            if "lora_B" in name or name.startswith("head."):
                weight.normal_(0, 0.3, generator=torch.Generator().manual_seed(len(name)))
    return player


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


def change_config(folder: Path, **settings) -> None:
    (folder / "config.json").write_text(json.dumps(config_of(folder) | settings))
