"""Text ↔ ids, by Hugging Face's tokenizers: trained here, or anybody's tokenizer.json.

The library is imported when it is first used. What is opened may be somebody's file: whatever the library says of it,
even in panic, is a UserError, and it is only given parts of which is known how much text they make of how much.
"""

from __future__ import annotations

import base64
import functools
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, get_args

from textgan_lit.errors import PATH, UserError, shown

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from tokenizers.decoders import Decoder
    from tokenizers.pre_tokenizers import PreTokenizer

Kind = Literal["word", "whitespace", "char", "bpe", "unigram"]
KINDS = get_args(Kind)
AUTO = "auto"  # what suits the text
UNKNOWN = "<unk>"
MOST = 2**20  # tokens
Result = TypeVar("Result")

LARGEST = 2**25  # characters of a tokenizer.json, …
NESTED = 2**21  # … and lists and dictionaries in it
PARTS = 32  # that follow each other
GROWTH = 2**11  # characters made of one, at most
AT_ONCE = 2**21  # characters that a text may become on its way into ids, …
WRITTEN = 2**24  # … and ids on their way into a text
ADDED, LONGEST_ADDED, ADDED_AT_ONCE = 10_000, 256, 2**18  # tokens that are looked for before anything else
LONGEST = 64  # characters of a sign, such as ## or <unk>
# Characters of a word, among which WordPiece looks for tokens, a search of their third power; and of a token of
# Unigram's, which looks for one as long as the longest of them at every character.
LONGEST_PIECE = 256

# An expression may look for ever, so only these, which are known to be quick, are searched for.
_CUTS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_CASES = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s|%s"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_TAIL = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
WORDS = r" ?(?:['’](?:s|t|re|ve|m|ll|d)\b|[\p{L}\p{M}]+|\p{N}+|[^\s\p{L}\p{M}\p{N}]+)|\s+(?!\S)|\s+"  # of word, here
EXPRESSIONS = {
    WORDS,
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",  # GPT-2
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",  # as tiktoken writes it
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",  # CLIP
    _CUTS % r"\p{N}{1,3}",  # Llama 3, GPT-4
    _CUTS % r"\p{N}",  # Qwen 2
    _CASES % (_TAIL, _TAIL, r"\p{N}{1,3}"),  # GPT-4o
    _CASES % ("", "", r"\p{N}"),  # Mistral's tekken
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
    r"|\s*[\r\n]+|\s+(?!\S)|\s+",  # DeepSeek
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM
    *(" +", " {2,}", r"\s", r"\s+", r"\n", r"\n+", r"[\r\n]", r"[\r\n]+", r"\w+", r"\w+|[^\w\s]+", r"[^\w\s]+"),
    *(r"\d", r"\d+", "[0-9]", "[0-9]+", "[0-9][0-9][0-9]", r"\d{1,3}", r"\p{N}", r"\p{N}+", r"\p{N}{1,3}", r"\p{L}+"),
}


def trained(kind: Kind, batches: Iterator[list[str]], size: int, min_count: int = 1, lowercase: bool = False) -> str:
    """The tokenizer.json of a tokenizer of at most ``size`` tokens, ``<unk>`` among them, that ``batches`` teach."""
    from tokenizers import AddedToken, Tokenizer, models, normalizers, trainers

    made = {"bpe": models.BPE, "unigram": models.Unigram}.get(kind, models.WordLevel)
    tokenizer = Tokenizer(made() if kind == "unigram" else made(unk_token=UNKNOWN))
    if lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer, tokenizer.decoder = _cut(kind)
    unknown = AddedToken(UNKNOWN, lstrip=kind == "word", normalized=False, special=True)
    known = {"vocab_size": size, "special_tokens": [unknown], "show_progress": False}
    if kind == "bpe":
        trainer = trainers.BpeTrainer(min_frequency=min_count, limit_alphabet=max(1, size // 2), **known)
    elif kind == "unigram":
        trainer = trainers.UnigramTrainer(unk_token=UNKNOWN, **known)
    else:
        trainer = trainers.WordLevelTrainer(min_frequency=min_count, **known)
    _safely(
        lambda: tokenizer.train_from_iterator(batches, trainer), f"data.tokenizer={kind} cannot learn these sentences"
    )
    return tokenizer.to_str()


def _cut(kind: Kind) -> tuple[PreTokenizer, Decoder | None]:
    """How text is cut before it is looked up or cut further, and how tokens are joined again. But for ``whitespace``,
    whose tokens have blanks between them, a blank is part of the token after it, and text comes back as it was."""
    from tokenizers import Regex, decoders, pre_tokenizers

    if kind == "whitespace":
        return pre_tokenizers.WhitespaceSplit(), None
    if kind == "char":  # an empty pattern fits between any two characters, so it isolates each
        return pre_tokenizers.Split("", "isolated"), decoders.Fuse()
    if kind != "word":
        return pre_tokenizers.Metaspace(), decoders.Metaspace()
    words = pre_tokenizers.Split(Regex(WORDS), "isolated")
    parts = [words, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)]
    back = [decoders.Replace(UNKNOWN, f"▁{UNKNOWN}"), decoders.Metaspace(prepend_scheme="first", split=False)]
    return pre_tokenizers.Sequence(parts), decoders.Sequence(back)


def read(path: str, where: str = "data.tokenizer", instead: str = "the path of a tokenizer.json.") -> str:
    """The text of a tokenizer.json, which the setting ``where`` named; ``instead`` could have been given."""
    place = Path(os.path.expanduser(path))
    try:
        if not place.is_file():  # nor a pipe, which would be waited for
            raise FileNotFoundError("there is no such file")
        with place.open("rb") as file:
            text = file.read(4 * LARGEST + 1).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where}={shown(path, PATH)} cannot be read ({shown(str(error))}). Give {instead}") from None
    tokens(text, f"{where}={shown(path, PATH)}")
    return text


class Opened(NamedTuple):
    """A tokenizer, and how many characters it may make of one on the way into ids, and on the way back."""

    tokenizer: Tokenizer
    tokens: tuple[str, ...]
    growth: int
    growth_back: int


@functools.lru_cache(maxsize=4)
def opened(text: str, where: str = "tokenizer") -> Opened:
    """What a tokenizer.json describes, without what it adds, cuts, pads or leaves to chance by itself."""
    from tokenizers import Tokenizer

    plain, *growths = _checked(text, where)
    for added in plain.get("added_tokens") or []:
        added["special"] = added.get("special") and added["content"] != UNKNOWN  # <unk> in a text is what it stands for
    tokenizer = _safely(lambda: Tokenizer.from_str(json.dumps(plain)), f"{where} is no tokenizer.json")
    tokenizer.encode_special_tokens = True  # a text that spells <|end|> is those letters
    found = {number: token for token, number in tokenizer.get_vocab(with_added_tokens=True).items()}
    if sorted(found) != list(range(len(found))) or not 1 <= len(found) <= MOST:
        raise UserError(
            f"{where} has {len(found):,} tokens, and their numbers do not run from 0 on without a gap, or there are "
            f"more than {MOST:,} of them. Give a tokenizer.json that has every number once."
        )
    return Opened(tokenizer, tuple(found[number] for number in range(len(found))), *growths)


def tokens(text: str, where: str = "tokenizer") -> tuple[str, ...]:
    """Every token of a tokenizer.json, in the order of its ids 0, 1, … without a gap."""
    return opened(text, where).tokens


def unknown(text: str) -> int | None:
    """The id that stands for what a tokenizer does not know."""
    tokenizer = opened(text).tokenizer
    name = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(name or UNKNOWN)


def encode(text: str, sentence: str) -> list[int]:
    """The ids of one sentence."""
    return next(encode_all(text, [sentence]))


def encode_all(text: str, sentences: Iterable[str]) -> Iterator[list[int]]:
    """The ids of each sentence, found on all cores, of so many sentences at once as their growth lets fit."""
    tokenizer, _, growth, _ = opened(text)
    for some in _shares(sentences, AT_ONCE // growth):
        encodings = _safely(
            functools.partial(tokenizer.encode_batch_fast, some, add_special_tokens=False),
            "The tokenizer cannot read this",
        )
        yield from (encoding.ids for encoding in encodings)


def _shares(sentences: Iterable[str], most: int) -> Iterator[list[str]]:
    """The sentences in a row, so many at a time that they have ``most`` characters."""
    share, left = [], most
    for sentence in sentences:
        if len(sentence) > most:
            raise UserError(
                f"A sentence of {len(sentence):,} characters: this tokenizer may make too much of it. Give sentences "
                f"of at most {most:,}, or another tokenizer."
            )
        if len(sentence) > left:
            yield share
            share, left = [], most
        share.append(sentence)
        left -= len(sentence)
    if share:
        yield share


def decode(text: str, ids: list[int]) -> str:
    """The sentence that ``ids`` spell."""
    tokenizer, known, _, growth = opened(text)
    size = growth * sum(len(known[number]) + 1 for number in ids)  # and a blank
    if size > WRITTEN:
        raise UserError(f"{len(ids):,} tokens may become {size:,} characters, wanted at most {WRITTEN:,}. Give fewer.")
    return _safely(lambda: tokenizer.decode(ids, skip_special_tokens=False), "The tokenizer cannot write this")


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


# --- what may be opened: for each type of part, how many characters it makes of one, at most ---


def _replace(part: Mapping[str, Any], where: str) -> int:
    (kind, pattern), *more = part["pattern"].items()
    content = part["content"]
    if kind not in ("String", "Regex") or more or not isinstance(pattern, str) or not isinstance(content, str):
        raise TypeError(kind)
    if kind == "Regex" and pattern not in EXPRESSIONS:
        raise UserError(
            f"{where}: its expression {shown(pattern)} is none of those that common tokenizers have, and another may "
            "search for ever. Cut by ByteLevel, Whitespace, Punctuation or Digits, or replace plain text."
        )
    return max(1, len(content)) if pattern else 1 + 2 * len(content)  # nothing stands between any two


def _split(part: Mapping[str, Any], where: str) -> int:
    return _replace({**part, "content": ""}, where) and 1


def _prepend(part: Mapping[str, Any], where: str) -> int:
    return 1 + len(part["prepend"])


def _precompiled(part: Mapping[str, Any], where: str) -> int:
    """SentencePiece's table: its size, a tree, and what signs become, with zeros between."""
    table = base64.b64decode(part["precompiled_charsmap"], validate=True)
    made = table[4 + int.from_bytes(table[:4], "little") :]
    return max(len(text.decode(errors="replace")) for text in made.split(b"\0")) or 1


Growth = int | Callable[[Mapping[str, Any], str], int]
NORMALIZERS: dict[str, Growth] = {
    **{"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18},  # by Unicode's tables
    **{"Lowercase": 2, "BertNormalizer": 8, "StripAccents": 1, "Strip": 1, "Nmt": 1, "ByteLevel": 4},
    **{"Replace": _replace, "Prepend": _prepend, "Precompiled": _precompiled},
}
PRE_TOKENIZERS: dict[str, Growth] = {
    **{"ByteLevel": 5, "Metaspace": 2, "Split": _split},
    **dict.fromkeys(("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "Punctuation", "Digits"), 1),
    **dict.fromkeys(("UnicodeScripts", "CharDelimiterSplit"), 1),
}
DECODERS: dict[str, Growth] = {
    **{"ByteLevel": 1, "Metaspace": 1, "ByteFallback": 1, "Fuse": 1, "Strip": 1, "Replace": _replace},
    **{"WordPiece": 2, "BPEDecoder": 3, "CTC": 9},  # where what becomes a blank is nothing
}


KEPT = ("version", "added_tokens", "normalizer", "pre_tokenizer", "decoder")


def _checked(text: str, where: str) -> tuple[dict[str, Any], int, int]:
    """A tokenizer.json as the library is given it, and how much it grows a text on the way into ids, and back.

    What is handed on is what was looked at: another reader of the same text might see other things in it.
    """
    said = f"{where} is no tokenizer.json that may be opened"
    if len(text) > LARGEST or text.count("[") + text.count("{") > NESTED:
        raise UserError(f"{said}: it is too large. Give one of at most {LARGEST:,} characters.")
    try:
        found = json.loads(text)
        kept = {key: found[key] for key in KEPT if key in found}
        kept["model"] = _model(found["model"], said)
        normalized = _growth(found.get("normalizer"), "normalizers", NORMALIZERS, said)
        growth = normalized * _growth(found.get("pre_tokenizer"), "pretokenizers", PRE_TOKENIZERS, said)
        back = _growth(found.get("decoder"), "decoders", DECODERS, said)
        _check_added(found.get("added_tokens") or [], normalized, said)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{said} ({shown(str(error))}). Give another one, as tokenizers saves it.") from None
    if growth > GROWTH or back > GROWTH:
        raise UserError(
            f"{said}: it may make {max(growth, back):,} characters of one, wanted at most {GROWTH:,}. Leave out parts "
            "that replace or prepend."
        )
    return kept, growth, back


def _growth(part: Any, inner: str, known: Mapping[str, Growth], said: str) -> int:
    """Characters that ``part`` makes of one, at most: the parts of a sequence follow each other."""
    waiting, growths = [part] if part is not None else [], []
    while waiting:
        part = waiting.pop()
        kind = part["type"]
        if kind == "Sequence":
            waiting += part[inner]
        elif kind in known:
            growth = known[kind]
            growths.append(growth(part, said) if callable(growth) else growth)
        else:
            raise UserError(f"{said}: {shown(kind)} is none of {', '.join(known)}. Save it without.")
        if len(growths) + len(waiting) > PARTS:
            raise UserError(f"{said}: more than {PARTS} parts follow each other. Save it with fewer.")
    return math.prod(growths)


def _check_added(added: list[dict[str, Any]], growth: int, said: str) -> None:
    sizes = [len(token["content"]) * (growth if token.get("normalized") else 1) for token in added]
    longest = max((len(token["content"]) for token in added), default=0)
    if len(added) > ADDED or longest > LONGEST_ADDED or sum(sizes) > ADDED_AT_ONCE:
        raise UserError(
            f"{said}: it adds {len(added):,} tokens of up to {longest:,} characters, wanted at most {ADDED:,} of "
            f"{LONGEST_ADDED}. Add fewer."
        )


def _model(model: dict[str, Any], said: str) -> dict[str, Any]:
    signs = [model.get(name) or "" for name in ("unk_token", "continuing_subword_prefix", "end_of_word_suffix")]
    if any(len(sign) > LONGEST for sign in signs) or (model.get("max_input_chars_per_word") or 0) > LONGEST_PIECE:
        raise UserError(
            f"{said}: its unk_token, continuing_subword_prefix or end_of_word_suffix has more than {LONGEST} "
            f"characters, or max_input_chars_per_word is over {LONGEST_PIECE}. Give smaller ones."
        )
    listed = model.get("vocab")  # of Unigram, which alone has a list: tokens and what each weighs
    if isinstance(listed, list) and any(len(token) > LONGEST_PIECE for token, _ in listed):
        raise UserError(f"{said}: it has tokens of more than {LONGEST_PIECE} characters. Leave them out.")
    return {key: None if key == "dropout" else value for key, value in model.items()}
