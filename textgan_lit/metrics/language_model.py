"""What a language model that is nobody's player makes of the samples, and what one that has read only them makes of
real sentences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, final

from annotated_types import Interval
from torch import Tensor

from textgan_lit.metrics import reference_lm
from textgan_lit.metrics.base import SetMetric
from textgan_lit.types import MANY, TextBatch, Vocab

FEWEST = 10  # sentences: a fifth of them says when to stop, and the rest have to teach


@final
class LanguageModel(SetMetric):
    """LM score and reverse LM score (Semeniuta et al. 2018, arXiv:1806.04936; Zhao et al. 2018, arXiv:1706.04223).

    The LM score is the NLL of samples under a small model of held-out real text: quality, which repetition flatters.
    The reverse one is that of real sentences under a model of as many samples: what is missing among the samples makes
    it larger. ``_real`` is both at once: real sentences under the model of other real sentences, the floor of the
    reverse score and the target of the first. The validation split teaches the first model, so it says something about
    other sentences only, such as the test split's at the closing.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        sentences: Callable[[str], TextBatch],
        max_sentences: Annotated[int, Interval(ge=FEWEST, le=MANY)] = 1000,
    ):
        super().__init__()
        self.vocab, self.max_length, self.sentences, self.max_sentences = vocab, max_length, sentences, max_sentences

    def measure(self, real: TextBatch, fake: TextBatch) -> dict[str, Tensor]:
        n = min(len(real.tokens), len(fake.tokens), len(self.sentences("valid").tokens), self.max_sentences)
        if n < FEWEST:
            return {}
        real, fake = real.first(n), fake.first(n)
        of_real = reference_lm.of_held_out(self.vocab, self.max_length, self.sentences, n, real.tokens.device)
        of_fake = reference_lm.taught(self.vocab, self.max_length, fake)
        found = {}
        for name, side, model, text in (
            ("lm_score", "", of_real, fake),
            ("lm_score", "_real", of_real, real),
            ("reverse_lm_score", "", of_fake, real),
        ):
            key = f"quality/{name}_{n}{side}"
            found[key], found[f"{key}_se"] = reference_lm.surprise(model, text)
        return found
