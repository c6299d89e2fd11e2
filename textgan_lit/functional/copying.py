"""What a sentence has in common with a corpus, word for word: the longest span, whether all of it is there, and what
is nearest to it.

Every place of the corpus, sorted by what is written from there to its sentence's end, is a suffix array: the longest
match of a text is with one of the two places between which it would be sorted in. Building takes a sort for each
doubling of the longest sentence, asking a bisection, and memory grows with the number of tokens.

Sources: Manber & Myers 1993, *Suffix arrays: a new method for on-line string searches*; Hyyrö 2004,
*Bit-parallel LCS-length computation revisited*.
"""

from __future__ import annotations

from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor


class Copied(NamedTuple):
    span: Int[Tensor, " B"]  # tokens of the longest span that some sentence of the corpus has, too
    whole: Bool[Tensor, " B"]  # the sentence itself is one of the corpus


class Nearest(NamedTuple):
    sentence: Int[Tensor, " B"]  # the row of the corpus that is the fewest edits away, the first of equals
    edits: Int[Tensor, " B"]  # tokens to take out and to put in


@final
class Corpus:
    """Sentences in which others are looked up. A mask is True on tokens; padding comes last.

    >>> mask = torch.ones(2, 3, dtype=torch.bool)
    >>> corpus = Corpus(torch.tensor([[1, 2, 3], [3, 4, 5]]), mask)
    >>> corpus.copied(torch.tensor([[3, 4, 5], [2, 3, 4]]), mask)
    Copied(span=tensor([3, 2]), whole=tensor([ True, False]))
    """

    def __init__(self, tokens: Int[Tensor, "R S"], mask: Bool[Tensor, "R S"]):
        self.text = _ended(tokens, mask, tokens.shape[1])
        places = (self.text > 0).flatten().nonzero().squeeze(1)
        start = places % self.text.shape[1]
        self.places = places[(_ranks(self.text).flatten()[places] * self.text.shape[1] + start).argsort()]

    def sentence(self, row: int) -> list[int]:
        """The tokens of one of them, as they were given."""
        return [token - 1 for token in self.text[row].tolist() if token]

    def copied(self, tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Copied:
        text = _ended(tokens, mask, max(tokens.shape[1], self.text.shape[1] - 1))
        span, whole = tokens.new_zeros(len(tokens)), torch.zeros_like(mask[:, 0])
        sentence, start = (text > 0).nonzero(as_tuple=True)
        if not len(sentence) or not len(self.places):
            return Copied(span, whole)
        sought = _from(text, sentence, start, text.shape[1])
        at = self._bisect(sought)
        after, before = (self._shared(sought, place.clamp(0, len(self.places) - 1)) for place in (at, at - 1))
        span.scatter_reduce_(0, sentence, after.maximum(before), "amax")
        first = self.places[at.clamp_max(len(self.places) - 1)]  # of equal places those where sentences begin are first
        begins = (start == 0) & (first % self.text.shape[1] == 0)
        ends = (self._written(at.clamp_max(len(self.places) - 1), text.shape[1]) == sought).all(1)
        whole[sentence[begins & ends]] = True
        return Copied(span, whole)

    def nearest(self, tokens: Int[Tensor, "B T"], mask: Bool[Tensor, "B T"]) -> Nearest:
        """The nearest of all sentences that there are: time grows with all tokens there are, so ask for few.

        >>> mask = torch.ones(2, 3, dtype=torch.bool)
        >>> Corpus(torch.tensor([[1, 2, 3], [3, 4, 5]]), mask).nearest(torch.tensor([[1, 3, 3]]), mask[:1])
        Nearest(sentence=tensor([0]), edits=tensor([2]))
        """
        lengths, found = (self.text > 0).sum(1), []
        for row in _ended(tokens, mask, tokens.shape[1]):
            own = row[row > 0]
            edits = lengths + len(own) - 2 * _in_order(own, self.text)
            found.append(torch.stack([edits.argmin(), edits.min()]))
        return Nearest(*torch.stack(found).unbind(1))

    def _bisect(self, sought: Int[Tensor, "N W"]) -> Int[Tensor, " N"]:
        """The first place whose text is not sorted before what is sought."""
        low = torch.zeros_like(sought[:, 0])
        high = torch.full_like(low, len(self.places))
        for _ in range(len(self.places).bit_length()):
            middle = (low + high) // 2
            found = self._written(middle.clamp_max(len(self.places) - 1), sought.shape[1])
            differs = (found != sought).long().argmax(1, keepdim=True)  # 0 where nothing does: then neither is before
            before = (found.gather(1, differs) < sought.gather(1, differs)).squeeze(1) & (low < high)
            low, high = (middle + 1).where(before, low), high.where(before, middle)
        return low

    def _shared(self, sought: Int[Tensor, "N W"], at: Int[Tensor, " N"]) -> Int[Tensor, " N"]:
        """Tokens until what is sought and the text at a place differ, or end."""
        return ((self._written(at, sought.shape[1]) == sought) & (sought > 0)).long().cumprod(1).sum(1)

    def _written(self, at: Int[Tensor, " N"], width: int) -> Int[Tensor, "N W"]:
        place = self.places[at]
        return _from(self.text, place // self.text.shape[1], place % self.text.shape[1], width)


def _ended(tokens: Int[Tensor, "R S"], mask: Bool[Tensor, "R S"], width: int) -> Int[Tensor, "R W"]:
    """Tokens are 1 and more; 0 is the end, and there is at least one."""
    return F.pad((tokens.long() + 1) * mask, (0, width + 1 - tokens.shape[1]))


def _from(
    text: Int[Tensor, "R W"], sentence: Int[Tensor, " N"], start: Int[Tensor, " N"], width: int
) -> Int[Tensor, "N V"]:
    """What is written from a start on, and then only ends."""
    column = start.unsqueeze(1) + torch.arange(width, device=text.device)
    return text[sentence.unsqueeze(1), column.clamp_max(text.shape[1] - 1)]


def _ranks(text: Int[Tensor, "R W"]) -> Int[Tensor, "R W"]:
    """Places in order of what follows: of 1 token, and so of 2, 4, 8 … Equal ones have one rank, and the end has 0."""
    rank, known = text.unique(return_inverse=True)[1], 1
    while known < text.shape[1]:
        ahead = F.pad(rank[:, known:], (0, known))
        rank = (rank * (int(rank.max()) + 1) + ahead).unique(return_inverse=True)[1]
        known *= 2
    return rank


BITS = 62  # of an int64 that stand for tokens: one is left for the carry, one for the sign


def _in_order(tokens: Int[Tensor, " W"], text: Int[Tensor, "R S"]) -> Int[Tensor, " R"]:
    """Tokens of the longest common subsequence with each row: a bit a token, 0 once it is part of one."""
    place = torch.arange(len(tokens), device=text.device)
    limbs, full = len(tokens) // BITS + 1, (1 << BITS) - 1
    where = text.new_zeros(int(torch.cat([tokens, text.flatten()]).max()) + 1, limbs)
    where.index_put_((tokens, place // BITS), 1 << place % BITS, accumulate=True)
    free = text.new_full((limbs, len(text)), full)
    for column in text.T:
        at, carry = where[column], 0
        for limb in range(limbs):
            hit = free[limb] & at[:, limb]
            total = free[limb] + hit + carry
            free[limb], carry = (total | (free[limb] - hit)) & full, total >> BITS
    return sum((1 - (free[n // BITS] >> n % BITS & 1) for n in range(len(tokens))), torch.zeros_like(text[:, 0]))
