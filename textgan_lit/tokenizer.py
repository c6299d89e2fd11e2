"""Text ↔ ids by Hugging Face tokenizers: trained on the sentences that train, kept as the text of a tokenizer.json.

The tokenizer's ids are the words of a :class:`textgan_lit.types.Vocab`; eos, bos and padding come after them and are
none of its business.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from textgan_lit.errors import UserError, shown
from textgan_lit.types import Vocab

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = "<unk>"
Made = tuple["Tokenizer", object]  # an empty tokenizer, and what trains it


def word(size: int, min_count: int) -> Made:
    """Words are what stands between blanks."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    made = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made, trainers.WordLevelTrainer(vocab_size=size, min_frequency=min_count, special_tokens=[UNKNOWN])


def char(size: int, min_count: int) -> Made:
    """Every character is a word, blanks too: for Chinese, or for text whose words are too many."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    return made, trainers.WordLevelTrainer(vocab_size=size, min_frequency=min_count, special_tokens=[UNKNOWN])


def bpe(size: int, min_count: int) -> Made:
    """Pairs of bytes that are often together are joined (Sennrich et al. 2016): nothing is unknown."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer, made.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return made, trainers.BpeTrainer(vocab_size=size, min_frequency=min_count, initial_alphabet=alphabet)


def unigram(size: int, min_count: int) -> Made:
    """The pieces that make the text likeliest (Kudo 2018). It has no ``min_count``."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.Unigram())
    made.pre_tokenizer, made.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    return made, trainers.UnigramTrainer(vocab_size=size, special_tokens=[UNKNOWN], unk_token=UNKNOWN)


KINDS: dict[str, Callable[[int, int], Made]] = {"word": word, "char": char, "bpe": bpe, "unigram": unigram}


def trained(kind: str, batches: Iterable[list[str]], size: int, min_count: int, length: int) -> str:
    """The text of a tokenizer.json: of ``kind``, trained on ``length`` sentences, or the file that ``kind`` names."""
    if kind not in KINDS:
        return _given(Path(kind))
    made, trainer = KINDS[kind](size, min_count)
    trainer.show_progress = False
    made.train_from_iterator(batches, trainer, length=length)
    return made.to_str()


def _given(path: Path) -> str:
    if path.suffix != ".json" or not path.is_file():
        raise UserError(
            f"data.tokenizer={shown(str(path))}: wanted {', '.join(KINDS)}, or a tokenizer.json that exists."
        )
    try:
        return opened(path.read_text(encoding="utf-8")).to_str()
    except (UserError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: {error} Give one that Hugging Face tokenizers has saved.") from None


def opened(text: str) -> Tokenizer:
    """The tokenizer that a tokenizer.json describes, which neither cuts nor pads."""
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_str(text)
    except BaseException as error:  # the library's own class, or that of a panic
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        raise UserError(f"It is no tokenizer ({shown(str(error))}).") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def vocabulary(text: str) -> Vocab:
    """The words of a tokenizer, with eos."""
    ids = opened(text).get_vocab()
    if sorted(ids.values()) != list(range(len(ids))):
        raise UserError("Its ids have gaps, and every id must be a word. Give a tokenizer without.")
    return Vocab(tuple(sorted(ids, key=ids.__getitem__)), has_eos=True, tokenizer=text)
