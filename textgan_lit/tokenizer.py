"""Text ↔ ids, by Hugging Face's tokenizers: trained here, or anybody's tokenizer.json.

The library is imported when it is first used. What is opened may be somebody's file: whatever the library says of it,
even in panic, is a UserError.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from textgan_lit.errors import PATH, UserError, shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Kind = Literal["word", "char", "bpe", "unigram"]
KINDS = get_args(Kind)
UNKNOWN = "<unk>"
MOST = 2**20  # words
Result = TypeVar("Result")


def trained(kind: Kind, batches: Iterator[list[str]], size: int, min_count: int = 1) -> str:
    """The tokenizer.json of a tokenizer of at most ``size`` words, ``<unk>`` among them, that ``batches`` teach."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    known = {"vocab_size": size, "special_tokens": [UNKNOWN], "show_progress": False}
    if kind in ("word", "char"):
        tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
        # an empty pattern fits between any two characters, so it isolates each
        tokenizer.pre_tokenizer = (
            pre_tokenizers.WhitespaceSplit() if kind == "word" else pre_tokenizers.Split("", "isolated")
        )
        if kind == "char":
            tokenizer.decoder = decoders.Fuse()
        trainer = trainers.WordLevelTrainer(min_frequency=min_count, **known)
    else:
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN) if kind == "bpe" else models.Unigram())
        tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
        if kind == "bpe":
            trainer = trainers.BpeTrainer(min_frequency=min_count, limit_alphabet=max(1, size // 2), **known)
        else:
            trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **known)
    _safely(
        lambda: tokenizer.train_from_iterator(batches, trainer), f"data.tokenizer={kind} cannot learn these sentences"
    )
    return tokenizer.to_str()


def read(path: str) -> str:
    """The text of a tokenizer.json."""
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"data.tokenizer={shown(path, PATH)} cannot be read ({shown(str(error))}). Give {', '.join(KINDS)}, or the "
            "path of a tokenizer.json."
        ) from None
    words(text, f"data.tokenizer={shown(path, PATH)}")
    return text


@functools.lru_cache(maxsize=4)
def opened(text: str, where: str = "tokenizer") -> Tokenizer:
    """The tokenizer that a tokenizer.json describes, without what it adds, cuts or pads by itself."""
    from tokenizers import Tokenizer

    tokenizer = _safely(lambda: Tokenizer.from_str(text), f"{where} is no tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def words(text: str, where: str = "tokenizer") -> tuple[str, ...]:
    """Every word of a tokenizer.json, in the order of its ids 0, 1, … without a gap."""
    tokenizer = opened(text, where)
    found = {number: word for word, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    if sorted(found) != list(range(len(found))) or not 1 <= len(found) <= MOST:
        raise UserError(
            f"{where} has {len(found):,} words, and their numbers do not run from 0 on without a gap, or there are "
            f"more than {MOST:,} of them. Give a tokenizer.json that has every number once."
        )
    return tuple(found[number] for number in range(len(found)))


def unknown(text: str) -> int | None:
    """The id that stands for what a tokenizer does not know."""
    model = opened(text).model
    name = getattr(model, "unk_token", None)
    return opened(text).token_to_id(name or UNKNOWN)


def encode(text: str, sentence: str) -> list[int]:
    """The ids of one sentence."""
    return _safely(
        lambda: opened(text).encode(sentence, add_special_tokens=False).ids, "The tokenizer cannot read this"
    )


def decode(text: str, ids: list[int]) -> str:
    """The sentence that ``ids`` spell."""
    return _safely(lambda: opened(text).decode(ids, skip_special_tokens=False), "The tokenizer cannot write this")


def keeps_breaks(text: str) -> bool:
    """Whether a sentence comes back with its line breaks and indentation."""
    return [sign for sign in decode(text, encode(text, "a\n  a")) if sign.isspace()] == ["\n", " ", " "]


def _safely(call: Callable[[], Result], what: str) -> Result:
    try:
        return call()
    except BaseException as error:  # the library's own panics are no Exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise UserError(
            f"{what} ({shown(' '.join(str(error).split()))}). Give another one, as tokenizers saves it."
        ) from None
