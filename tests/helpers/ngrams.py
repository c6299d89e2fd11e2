"""Random sentences, and what others count in them: NLTK, SciPy, a search."""

from collections import Counter

import torch
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy.spatial.distance import jensenshannon

from textgan_lit.types import TextBatch, Vocab

ORDERS = (1, 2, 3, 4, 5)


def batch(n, longest, tokens, shortest=0):
    """Random sentences of random lengths, a quarter of them twice, padded with random tokens."""
    length = torch.randint(shortest, longest + 1, (n,))
    again = torch.arange(n) % (n - n // 4)
    return torch.randint(tokens, (n, longest))[again], (torch.arange(longest) < length.unsqueeze(1))[again]


def written(*lines):
    """Sentences of letters."""
    longest = max(map(len, lines))
    tokens = torch.tensor([[ord(letter) for letter in line.ljust(longest)] for line in lines]).long()
    return tokens, torch.tensor([[at < len(line) for at in range(longest)] for line in lines]).bool()


def lists(tokens, mask):
    return [row[keep].tolist() for row, keep in zip(tokens, mask, strict=True)]


def nltks(hypothesis, references, orders=ORDERS):
    smooth = SmoothingFunction().method1
    return [float(sentence_bleu(references, hypothesis, (1 / n,) * n, smooth)) for n in orders]


def nltks_self(sentences, orders=ORDERS):
    return [nltks(one, sentences[:at] + sentences[at + 1 :], orders) for at, one in enumerate(sentences)]


def grams(text, n):
    return Counter(tuple(row[at : at + n]) for row in lists(*text) for at in range(len(row) - n + 1))


def scipys(one, other, n):
    p, q = grams(one, n), grams(other, n)
    known = list(p | q)
    return jensenshannon([p[gram] for gram in known], [q[gram] for gram in known]) ** 2


def naive_jaccard(one, other, highest):
    product = 1.0
    for n in range(1, highest + 1):
        a, b = grams(one, n), grams(other, n)
        often = [(a[gram] / len(one[0]), b[gram] / len(other[0])) for gram in a | b]
        product *= sum(map(min, often)) / sum(map(max, often))
    return product ** (1 / highest)


def naive_copies(ours, corpus):
    spans, wholes = [], []
    for row in ours:
        said = [row[at : at + n] for n in range(1, len(row) + 1) for at in range(len(row) - n + 1)]
        there = {tuple(one[at : at + n]) for one in corpus for n in range(1, len(one) + 1) for at in range(len(one))}
        spans.append(max((len(span) for span in said if tuple(span) in there), default=0))
        wholes.append(bool(row) and row in corpus)
    return spans, wholes


FIXED, ENDED = Vocab(("a", "b", "c", "d")), Vocab(("a", "b", "c", "d"), has_eos=True)


def ended(text):
    """The same sentences with eos."""
    tokens, mask = text
    tokens, mask = torch.nn.functional.pad(tokens, (0, 1)), torch.nn.functional.pad(mask, (0, 1))
    last = mask.sum(1, keepdim=True)
    return TextBatch(tokens.scatter(1, last, ENDED.eos), mask.scatter(1, last, True))


def rows(text, at):
    return TextBatch(text.tokens[at], text.mask[at])
