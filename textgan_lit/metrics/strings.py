"""Metrics of lists of strings, without a run: ``textgan_lit.bleu(samples, references)`` and its like.

Each gives its numbers, named as a run logs them, and the signature of what they depend on. What could not be measured,
since no sentence is long enough, is absent. ``tokenize`` cuts a sentence into tokens: ``str.split`` at blanks, ``list``
into characters, a vocabulary's ``encode`` as a run does it. Where ``eos`` is true the end of a sentence is a token.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, NamedTuple, get_args

import torch

import textgan_lit
from textgan_lit.errors import UserError, shown
from textgan_lit.functional import frequency, ngram
from textgan_lit.metrics import distinct as variety
from textgan_lit.metrics import embedding
from textgan_lit.metrics import features as clouds
from textgan_lit.metrics.bleu import Smoothing, epsilon
from textgan_lit.metrics.frechet import Frechet
from textgan_lit.metrics.fresh_critic import FEWEST, FreshCritic, proved
from textgan_lit.metrics.mauve import Mauve
from textgan_lit.types import TextBatch, Vocab

Tokenize = Callable[[str], Iterable[Hashable]]
EOS = object()  # equals no token of anybody's


class Scores(NamedTuple):
    """Numbers by name, and all that they depend on in one line, as sacreBLEU writes it."""

    numbers: dict[str, float]
    signature: str


def bleu(
    samples: Iterable[str],
    references: Iterable[str],
    orders: Sequence[int] = (2, 3, 4, 5),
    smoothing: Smoothing = "method1",
    tokenize: Tokenize = str.split,
) -> Scores:
    """Mean BLEU-n of the samples, each against all references at once: NLTK's ``sentence_bleu``, 0 to 1.

    >>> bleu(["a dog sat", "a cat"], ["a dog sat", "the cat sat"], orders=[1]).numbers  # 1 and e^(1 - 3/2)
    {'bleu1': 0.8032653298563167}
    >>> bleu(["a dog sat"], ["a dog sat"]).signature
    'bleu|samples:1|references:1|orders:2,3,4,5|smoothing:method1|tokenize:str.split|textgan_lit:0.2.0'

    Raises:
        UserError: where a list is empty or no list of strings, or a setting is none.
    """
    _check(orders, smoothing)
    fake, real = _batches(tokenize, False, samples=samples, references=references)
    found = ngram.bleu(*fake, *real, orders, epsilon(smoothing)).mean(0).tolist()
    return _scores(
        "bleu", orders, found, samples=fake, references=real, orders=orders, smoothing=smoothing, tokenize=tokenize
    )


def self_bleu(
    samples: Iterable[str],
    orders: Sequence[int] = (2, 3, 4, 5),
    smoothing: Smoothing = "method1",
    tokenize: Tokenize = str.split,
) -> Scores:
    """Mean BLEU-n of each sample against all the others (Zhu et al. 2018), 0 to 1: the higher, the less they vary.

    >>> self_bleu(["a dog sat", "a dog sat", "no cat"], orders=[2]).numbers
    {'self_bleu2': 0.6666666666666666}

    Raises:
        UserError: as :func:`bleu`, and for a single sample.
    """
    _check(orders, smoothing)
    (fake,) = _batches(tokenize, False, samples=samples)
    if len(fake.tokens) < 2:
        raise UserError("samples has one sentence. Self-BLEU compares each with the others: give two or more.")
    found = ngram.self_bleu(*fake, orders, epsilon(smoothing)).mean(0).tolist()
    return _scores("self_bleu", orders, found, samples=fake, orders=orders, smoothing=smoothing, tokenize=tokenize)


def distinct(
    samples: Iterable[str], orders: Sequence[int] = (1, 2, 3), tokenize: Tokenize = str.split, eos: bool = True
) -> Scores:
    """distinct-n (Li et al. 2016): different n-grams / n-grams of all samples together. It falls with their number.

    >>> distinct(["a b", "a b"], orders=[1, 2]).numbers  # a, b and the end of 6 tokens
    {'distinct1': 0.5, 'distinct2': 0.5}
    >>> distinct(["a b", "a c"], orders=[1], eos=False).numbers
    {'distinct1': 0.75}

    Raises:
        UserError: as :func:`bleu`.
    """
    _check(orders)
    (fake,) = _batches(tokenize, eos, samples=samples)
    found = [math.nan if share is None else float(share) for share in variety.distinct(fake, orders)]
    return _scores("distinct", orders, found, samples=fake, orders=orders, tokenize=tokenize, eos=eos)


def ngram_jsd(
    samples: Iterable[str],
    references: Iterable[str],
    orders: Sequence[int] = (1, 2, 3),
    tokenize: Tokenize = str.split,
    eos: bool = True,
) -> Scores:
    """Jensen–Shannon divergence in nats, 0 to log 2, between the distributions of n-grams of the two lists.

    Two lists from one source differ, too, the more the shorter they are: see what two halves of ``references`` do.

    >>> ngram_jsd(["a b"], ["b a"], orders=[1, 2], eos=False).numbers  # the same tokens, no bigram in common
    {'ngram_jsd1': 0.0, 'ngram_jsd2': 0.6931471805599453}

    Raises:
        UserError: as :func:`bleu`.
    """
    _check(orders)
    fake, real = _batches(tokenize, eos, samples=samples, references=references)
    found = frequency.ngram_jsd(*fake, *real, orders).tolist()
    return _scores("ngram_jsd", orders, found, samples=fake, references=real, orders=orders, tokenize=tokenize, eos=eos)


def ms_jaccard(
    samples: Iterable[str],
    references: Iterable[str],
    orders: Sequence[int] = (2, 3, 4, 5),
    tokenize: Tokenize = str.split,
) -> Scores:
    """MS-Jaccard-N (Montahaei et al. 2019): 1 where both lists have all n-grams up to N equally often in a sentence.

    >>> ms_jaccard(["a b c"], ["a b d"], orders=[1]).numbers  # 2 of 4 tokens
    {'ms_jaccard1': 0.5}

    Raises:
        UserError: as :func:`bleu`.
    """
    _check(orders)
    fake, real = _batches(tokenize, False, samples=samples, references=references)
    found = frequency.ms_jaccard(*fake, *real, orders).tolist()
    return _scores("ms_jaccard", orders, found, samples=fake, references=real, orders=orders, tokenize=tokenize)


def fresh_critic_bound(
    samples: Iterable[str], references: Iterable[str], sentences: int = 2000, tokenize: Tokenize = str.split
) -> Scores:
    """What a new discriminator proves about the JSD between the two sources, in nats, and its standard error.

    A lower bound, but for chance: a difference that it cannot see is not in it. It takes seconds, and compares
    the first ``sentences`` of each list, as many of both, so these should lie in random order.

    >>> fresh_critic_bound(["a b"] * 20, ["a b"] * 20).numbers
    {'fresh_bound': 0.0, 'fresh_bound_se': 0.0}

    Raises:
        UserError: as :func:`bleu`, and for fewer than 16 sentences on either side.
    """
    fake, real = _batches(tokenize, True, samples=samples, references=references)
    n = min(len(fake.tokens), len(real.tokens), sentences)
    if n < FEWEST:
        raise UserError(f"{n} sentences a side: a fresh critic needs at least {FEWEST}.")
    longest = max(fake.tokens.shape[1], real.tokens.shape[1])
    vocab = Vocab(tuple(map(str, range(1 + max(int(side.tokens.max()) for side in (fake, real))))))
    value, se = proved(FreshCritic(vocab, longest).logits(*(side.first(n).padded(longest, 0) for side in (real, fake))))
    return _scores("fresh_bound", ("", "_se"), [float(value), float(se)], sentences=n, tokenize=tokenize, eos=True)


def mauve(
    samples: Iterable[str],
    references: Iterable[str],
    sentences: int = 1000,
    features: str | None = None,
    tokenize: Tokenize = str.split,
) -> Scores:
    """MAUVE (Pillutla et al. 2021): how well the two lists cover each other, 0 to 1; needs scipy.

    Half of the first ``sentences`` of each list are compared, and as many references with each other: ``mauve_real`` is
    what chance leaves of 1. ``features`` are those of a small language model that the second half of the references
    teaches, or of a sentence-transformers model, given by its name or folder. Lists should lie in random order.

    >>> mauve(["a b", "b a"] * 20, ["a b", "b a"] * 40).numbers
    {'mauve': 1.0, 'mauve_real': 1.0}

    Raises:
        UserError: as :func:`bleu`, for too few sentences, and where a library that this takes is not installed.
    """
    return _of_features(Mauve, samples, references, sentences, features, tokenize)


def frechet(
    samples: Iterable[str],
    references: Iterable[str],
    sentences: int = 1000,
    features: str | None = None,
    tokenize: Tokenize = str.split,
) -> Scores:
    """Fréchet distance (Cífka et al. 2018; Semeniuta et al. 2018) between the features of the two lists, 0 or more.

    What is compared, and whose ``features``, is as in :func:`mauve`; ``frechet_real`` is the floor that chance leaves.

    >>> frechet(["a b", "b a"] * 20, ["a b", "b a"] * 40).signature.split("|")[2:5]
    ['references:80', 'sentences:20', 'features:language_model']

    Raises:
        UserError: as :func:`mauve`.
    """
    return _of_features(Frechet, samples, references, sentences, features, tokenize)


def _of_features(
    kind: type[Mauve | Frechet],
    samples: Iterable[str],
    references: Iterable[str],
    sentences: int,
    features: str | None,
    tokenize: Tokenize,
) -> Scores:
    """As a run measures it. For a model of somebody's, which cuts text itself, a sentence is one token."""
    lists = {"samples": _sentences("samples", samples), "references": _sentences("references", references)}
    if features is None:
        fake, real = _batches(tokenize, True, **lists)
        vocab = Vocab(tuple(map(str, range(1 + max(int(side.tokens.max()) for side in (fake, real))))))
        half = len(real.tokens) // 2
        real, taught = (TextBatch(*(part[at : at + half] for part in real)) for at in (0, half))
    else:
        fake, real = _batches(lambda sentence: [sentence], False, **lists)
        vocab, taught = Vocab(tuple(dict.fromkeys(itertools.chain.from_iterable(lists.values())))), real
    n = min(len(fake.tokens), len(taught.tokens), sentences)
    if n < clouds.FEWEST:
        raise UserError(
            f"{n} sentences a side: {kind.name} needs at least {clouds.FEWEST} samples, and as many references"
            + (", twice: half of them teach a language model." if features is None else ".")
        )
    longest = max(fake.tokens.shape[1], real.tokens.shape[1])
    fake, real, taught = (side.padded(longest, 0) for side in (fake, real, taught))
    found = kind(vocab, longest, lambda _: taught, n, features).measure(real, fake)
    said: dict[str, Any] = {"features": "language_model", "tokenize": tokenize, "eos": True}
    if features is not None:
        said = {"features": embedding.called(features)}
    sizes = {"samples": fake, "references": len(lists["references"]), "sentences": n // 2}
    return _scores(kind.name, ("", "_real"), [float(value) for value in found.values()], **sizes, **said)


def _check(orders: Sequence[int], smoothing: Smoothing = "none") -> None:
    whole = isinstance(orders, Sequence) and all(isinstance(n, int) and n >= 1 for n in orders)
    if not whole or not orders:
        raise UserError(f"orders={shown(orders)}: wanted a list of whole numbers from 1 on, such as [2, 3, 4].")
    if smoothing not in get_args(Smoothing):
        raise UserError(f"smoothing={shown(smoothing)}: wanted one of {', '.join(get_args(Smoothing))}.")


def _sentences(name: str, given: Iterable[str]) -> list[str]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UserError(f"{name}={shown(given)}: wanted a list of sentences, as text.splitlines() makes it.")
    sentences = list(given)
    if not sentences:
        raise UserError(f"{name} is empty: wanted a list of sentences.")
    for sentence in sentences:
        if not isinstance(sentence, str):
            raise UserError(f"{name} holds {shown(sentence)}: wanted strings, which tokenize cuts.")
    return sentences


def _cut(tokenize: Tokenize, sentence: str) -> Iterable[Hashable]:
    tokens = tokenize(sentence)
    if isinstance(tokens, str) or not isinstance(tokens, Iterable):
        raise UserError(f"tokenize gave {shown(tokens)}: wanted a function from a string to a list of tokens.")
    return tokens


def _batches(tokenize: Tokenize, eos: bool, **lists: Iterable[str]) -> list[TextBatch]:
    """The sentences of every list as ids, the same id for the same token in all."""
    ids: dict[Hashable, int] = defaultdict(itertools.count().__next__)
    found = []
    for name, given in lists.items():
        cut = (_cut(tokenize, sentence) for sentence in _sentences(name, given))
        rows = [[ids[token] for token in (*tokens, *[EOS] * eos)] for tokens in cut]
        length = torch.tensor([len(row) for row in rows])
        mask = torch.arange(int(length.max())) < length.unsqueeze(1)
        flat = torch.tensor([*itertools.chain.from_iterable(rows)], dtype=torch.long)
        found.append(TextBatch(torch.zeros(mask.shape, dtype=torch.long).masked_scatter(mask, flat), mask))
    return found


def _scores(name: str, ends: Sequence[int | str], found: list[float], **settings: Any) -> Scores:
    numbers = {f"{name}{end}": value for end, value in zip(ends, found, strict=True) if not math.isnan(value)}
    said = (f"{key}:{_said(value)}" for key, value in settings.items())
    return Scores(numbers, "|".join([name, *said, f"textgan_lit:{textgan_lit.__version__}"]))


def _said(setting: Any) -> str:
    if isinstance(setting, TextBatch):
        return str(len(setting.tokens))
    if isinstance(setting, bool):
        return "yes" if setting else "no"
    if callable(setting):
        return getattr(setting, "__qualname__", type(setting).__qualname__)
    return str(setting) if isinstance(setting, (str, int)) else ",".join(map(str, setting))
