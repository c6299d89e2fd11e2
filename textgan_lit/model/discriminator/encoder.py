"""A pretrained encoder of Hugging Face's, as a discriminator: it reads the text that tokens spell."""

from __future__ import annotations

import warnings
from typing import Annotated, Literal, final

import torch
from annotated_types import Ge
from jaxtyping import Bool, Float, Int
from torch import Tensor

from textgan_lit import tokenizer
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.functional.recompute import micro_batches
from textgan_lit.model import hugging_face
from textgan_lit.model.discriminator.base import Discriminator, small_head
from textgan_lit.model.lora import Lora, state_is_what_learns
from textgan_lit.types import Vocab

WHERE = "model.discriminator.name"


@final
class Encoder(Discriminator):
    """Text → the encoder's own tokens → its last layer's states → their mean, or the first → one logit, in float32.

    ``name`` is a folder, or the Hub's id of a model in its cache: BERT, DistilBERT, MPNet, RoBERTa. Any generator may
    play against it whose tokens spell text. That is all it sees: two spellings of one text have one score, and a
    sentence that was cut at ``max_length`` reads as one that ended there.

    What is longer than the encoder reads is cut, and said once; refused where that is certain beforehand, since the
    data have its very tokens. With ``lora`` adapters alone learn, without all weights do; checkpoints hold what learns.
    ``micro_batch_size`` takes time for memory, as the pretrained generator's does. Dropout is off, and there is no
    pooler.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        name: str,
        lora: Lora | None,
        pooling: Literal["mean", "cls"] = "mean",
        dtype: hugging_face.DType = "float32",
        micro_batch_size: Annotated[int, Ge(1)] | None = None,
    ):
        super().__init__(vocab, max_length)
        if not vocab.is_readable:
            raise UserError(
                "discriminator=encoder reads text, and the tokens of these data are mere numbers. Use data=text, or "
                "model/discriminator=transformer."
            )
        said = f"{WHERE}={shown(name, PATH)}"
        self.network, self.base = hugging_face.opened(name, "AutoModel", dtype, WHERE)
        self.tokenizer = hugging_face.spelling(name, WHERE)
        self.frame = hugging_face.frame(self.tokenizer, said)
        config, tokens = self.network.config, tokenizer.tokens(self.tokenizer, "tokenizer.json")
        if max(len(tokens) - 1, *self.frame.before, *self.frame.after) >= config.vocab_size:
            raise UserError(
                f"{said}: its tokenizer.json has {len(tokens):,} tokens, and its config.json {config.vocab_size:,} "
                "(vocab_size). Give the tokenizer of this model."
            )
        self.pad = config.pad_token_id or 0
        skipped = getattr(self.network.embeddings, "padding_idx", -1) + 1  # positions that no token has: RoBERTa's
        self.limit = config.max_position_embeddings - skipped - sum(map(len, self.frame))
        if max_length > self.limit and vocab.tokens == tokens:
            raise UserError(
                f"{said} reads {self.limit:,} of its tokens, and a sentence has {max_length:,}. Give a "
                "smaller data.max_length."
            )
        self.pooling, self.micro_batch_size, self.has_cut = pooling, micro_batch_size, False
        if lora is not None:
            lora.put_into(self.network, "model.discriminator")
        state_is_what_learns(self.network)
        self.head = small_head(config.hidden_size)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, " B"]:
        ids, read = self._read(tokens.masked_fill(~mask, self.vocab.pad))
        return self.head(micro_batches(self._pooled, self.micro_batch_size, ids, read)).squeeze(1)

    def _pooled(self, ids: Int[Tensor, "B S"], read: Int[Tensor, "B S"]) -> Float[Tensor, "B H"]:
        states = self.network(input_ids=ids, attention_mask=read).last_hidden_state.float()
        if self.pooling == "cls":
            return states[:, 0]
        inside = read.unsqueeze(2)
        return (states * inside).sum(1) / inside.sum(1)

    def _read(self, tokens: Int[Tensor, "B T"]) -> tuple[Int[Tensor, "B S"], Int[Tensor, "B S"]]:
        """The encoder's ids of what ``tokens`` spell, and where they are."""
        texts = [self.vocab.text(row) for row in tokens.tolist()]
        rows = list(tokenizer.encode_all(self.tokenizer, texts))
        if not self.has_cut and max(map(len, rows), default=0) > self.limit:
            self.has_cut = True
            warnings.warn(
                f"discriminator=encoder reads {self.limit:,} of its tokens a sentence: some have more, and it does not "
                "see their ends.",
                stacklevel=2,
            )
        framed = [torch.tensor([*self.frame.before, *row[: self.limit], *self.frame.after]) for row in rows]
        lengths = torch.tensor([len(row) for row in framed])
        ids = torch.nn.utils.rnn.pad_sequence(framed, batch_first=True, padding_value=self.pad)
        read = torch.arange(ids.shape[1]) < lengths.unsqueeze(1)
        return ids.to(tokens.device), read.long().to(tokens.device)
