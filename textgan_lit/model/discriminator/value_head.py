"""A discriminator that is the generator's own pretrained body, with adapters and a scalar head of its own."""

from __future__ import annotations

from typing import Literal, final

from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from textgan_lit.errors import UserError
from textgan_lit.model.discriminator.base import Discriminator, last_score, small_head
from textgan_lit.model.generator.base import Generator
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora, state_is_what_learns
from textgan_lit.types import TextBatch, Vocab


@final
class ValueHead(Discriminator):
    """The generator's beginning and tokens → its pretrained body → a logit of the last, or of every token.

    It reads as the generator does: the same ids after the same beginning, with its ``dtype`` and ``micro_batch_size``;
    eos is the first token that ends a text by the model's own configuration. Each position judges its prefix, the last
    one the whole sentence with its end. Adapters begin without an effect, the head small; both alone learn, and
    checkpoints hold them alone. Discriminators of language models are made so (GAD: Ye et al. 2025, arXiv:2511.10643).

    Where the generator has adapters, both share one base, and neither meets the other's adapters. Where all of it
    learns, this is a frozen copy of the model as its files hold it: as much memory again as the weights take.
    """

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        generator: Generator,
        lora: Lora,
        scores: Literal["sentence", "token"] = "sentence",
    ):
        super().__init__(vocab, max_length)
        if not isinstance(generator, Pretrained):
            raise UserError(
                f"discriminator=value_head is a head on G's pretrained body, and {type(generator).__name__} has none. "
                "Use model/generator=pretrained, or model/discriminator=transformer."
            )
        self.scores, self.base = scores, generator.base
        self.reader = generator.frozen()
        lora.put_into(self.reader.network.base_model, "model.discriminator")  # what follows it has nothing to learn
        state_is_what_learns(self.reader.network)
        self.head = small_head(self.reader.network.config.hidden_size)

    def forward(
        self,
        tokens: Int[Tensor, "B T"],
        mask: Bool[Tensor, "B T"],
        density: Float[Tensor, "B T"] | None = None,
    ) -> Float[Tensor, "B *T"]:
        read, inside = TextBatch(tokens, mask).trimmed()
        after = self.reader.features(F.pad(read, (1, 0), value=self.vocab.bos))[:, 1:]
        scores = self.head(after.float()).squeeze(2).masked_fill(~inside, 0.0)
        if self.scores == "sentence":
            return last_score(scores, inside)
        return F.pad(scores, (0, mask.shape[1] - inside.shape[1]))
