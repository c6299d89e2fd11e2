"""Features from somebody else's model of sentences, by sentence-transformers, which is imported when it is used."""

from __future__ import annotations

import functools
import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, final

from jaxtyping import Float
from torch import Tensor

from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.metrics.base import Remembered
from textgan_lit.types import TextBatch, Vocab

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

AT_ONCE = 64  # sentences


@final
class Embedding:
    """What a model makes of the tokens of a sentence. One for all metrics of a run that ask for it, so that sentences
    are read once."""

    def __init__(self, model: SentenceTransformer, vocab: Vocab):
        self.model, self.vocab = model, vocab
        self.real, self.fake = Remembered(self._of), Remembered(self._of)

    def _of(self, batch: TextBatch) -> Float[Tensor, "B H"]:
        text = [self.vocab.text(row) for row in batch.tokens.tolist()]
        options = {"batch_size": AT_ONCE, "convert_to_tensor": True, "show_progress_bar": False}
        return self.model.encode(text, device=str(batch.tokens.device), **options).double()


@functools.lru_cache(maxsize=2)
def opened(given: str, vocab: Vocab) -> Embedding:
    """The model of a folder, or one that was fetched from the Hub before.

    Raises:
        UserError: where the library is not installed, or there is no such model here.
    """
    asked = f"features={shown(given, PATH)}"
    if find_spec("sentence_transformers") is None:
        raise UserError(
            f'{asked} takes sentence-transformers, which is not installed: pip install "textgan_lit'
            '[sentence-transformers]", or features=null.'
        )
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    try:
        model = SentenceTransformer(given, device="cpu", local_files_only=True)
    except Exception as error:  # of any of three libraries
        raise UserError(
            f"{asked} cannot be opened ({shown(' '.join(str(error).split()))}). Nothing is downloaded here: give the "
            "folder of a sentence-transformers model, or fetch it before with hf download NAME."
        ) from error
    return Embedding(model.eval().requires_grad_(False), vocab)


def called(given: str) -> str:
    """How a key names a model.

    >>> called("sentence-transformers/all-MiniLM-L6-v2")
    'all-MiniLM-L6-v2'
    """
    return re.sub(r"[^\w.-]", "_", Path(given).resolve().name)
