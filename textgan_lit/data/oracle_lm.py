"""A pretrained language model as data."""

from __future__ import annotations

from typing import final

from textgan_lit import tokenizer
from textgan_lit.data.oracle import FrozenGenerator
from textgan_lit.model import hugging_face
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import state_is_what_learns
from textgan_lit.model.policy import Categorical
from textgan_lit.types import Length, Temperature, Vocab

WHERE = "data.name"


@final
class OracleLM(FrozenGenerator):
    """What a causal language model writes after a ``beginning``, as P: its tokens, at a ``temperature``.

    ``name``, ``beginning`` and ``ends_at_newline`` are as those of
    :class:`textgan_lit.model.generator.pretrained.Pretrained`, and it is opened by the same rules. A sentence has at
    most ``max_length`` tokens, its end included; one that is cut there is an outcome of its own.
    """

    def __init__(
        self,
        name: str,
        max_length: Length = 24,
        beginning: str | None = None,
        ends_at_newline: bool = False,
        temperature: Temperature = 1.0,
    ):
        text = hugging_face.spelling(name, WHERE)
        vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
        about = {"beginning": beginning, "ends_at_newline": ends_at_newline, "where": WHERE}
        writer = Pretrained(vocab, max_length, name, None, **about).requires_grad_(False)
        state_is_what_learns(writer.network)  # which is nothing: the sha256 of its files names its weights
        super().__init__(writer, Categorical(temperature))
