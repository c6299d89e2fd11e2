"""A pretrained language model of Hugging Face's, as a player."""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, final

import torch
from annotated_types import Ge
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit import tokenizer
from textgan_lit.errors import PATH, UserError, shown
from textgan_lit.functional.linear import linear
from textgan_lit.functional.recompute import micro_batches
from textgan_lit.model import hugging_face
from textgan_lit.model.generator.base import Generator, State
from textgan_lit.model.lora import Lora, merged, state_is_what_learns
from textgan_lit.types import Vocab

WHERE = "model.generator.name"


@final
class Pretrained(Generator):
    """A causal language model that goes on from a ``beginning``, the same for every sentence.

    ::

        state   (keys, values) of every layer, then position
          keys, values   Float[B heads S d]   S: the beginning's tokens and max_length
          position       Int[B]               how many tokens each row has read; rows may differ

    ``name`` is a folder, or the Hub's id of a model in its cache. Tokens are those of its tokenizer.json, which has to
    be ``data.tokenizer``, too. A sentence ends where the model would end its text: eos has the sum of the
    probabilities of all tokens that end one, and, with ``ends_at_newline``, of all that hold a line break. Its special
    tokens are never written. ``beginning`` may name them; null: the model's own first token.

    With ``lora`` adapters alone learn, and the base is never copied: references, averages and checkpoints hold what
    has learned. Without, all weights learn. ``micro_batch_size`` bounds of how many sentences activations are kept at
    a time: they are computed again on the way back, and the gradient is the same. Dropout is off. A refusal says
    ``where`` the name was given.
    """

    fewest_rows = 8  # of the wide layers of such networks: tests/unit/functional/test_linear.py

    def __init__(
        self,
        vocab: Vocab,
        max_length: int,
        name: str,
        lora: Lora | None,
        dtype: hugging_face.DType = "float32",
        beginning: str | None = None,
        ends_at_newline: bool = False,
        micro_batch_size: Annotated[int, Ge(1)] | None = None,
        where: str = WHERE,
    ):
        super().__init__(vocab, max_length)
        self.micro_batch_size, said = micro_batch_size, f"{where}={shown(name, PATH)}"
        _check_tokens(vocab, name, where)
        self.network, self.base = hugging_face.opened(name, "AutoModelForCausalLM", dtype, where)
        takes = inspect.signature(self.network.base_model.forward).parameters
        self.cache = "cache" if "cache" in takes else "past_key_values"  # as this transformers calls it
        first = self._first(beginning, said)
        places = getattr(self.network.config, "max_position_embeddings", None) or max_length + len(first)
        window = getattr(self.network.config, "sliding_window", None) or places
        if len(first) + max_length > min(places, window):
            raise UserError(
                f"{said} reads {min(places, window):,} tokens, and its beginning has {len(first):,} and a sentence "
                f"{max_length:,}. Give a smaller max_length of the data."
            )
        own, tokens = hugging_face.enders(name, where), len(vocab.tokens)
        rows = self.network.get_output_embeddings().weight.shape[0]
        _check_rows(vocab, {*first, *own}, rows, said)
        enders = sorted({*own, *(self._newlines() if ends_at_newline else ())})
        never = sorted(token for token in {*enders, *_specials(vocab)} if token < tokens)
        ids = torch.arange(vocab.inputs).clamp(max=min(tokens, rows) - 1)
        ids[vocab.bos], ids[vocab.eos] = first[-1], own[0]
        for called, value in {
            "ids": ids,  # of the model, for each of ours; pad is read by nobody
            "before": torch.tensor(first[:-1], dtype=torch.long),
            "enders": torch.tensor(enders),
            "never": torch.tensor(never, dtype=torch.long),  # in a sentence
        }.items():
            self.register_buffer(called, value, persistent=False)
        if lora is not None:
            lora.put_into(self.network, "model.generator")
        state_is_what_learns(self.network)

    def _first(self, beginning: str | None, said: str) -> list[int]:
        """The ids of the beginning, specials among them read as such."""
        if beginning is not None:
            aware = copy.deepcopy(tokenizer.opened(self.vocab.tokenizer).tokenizer)
            aware.encode_special_tokens = False
            ids = aware.encode(beginning, add_special_tokens=False).ids
            missing = [mark for mark in re.findall(r"<\|.*?\|>", beginning) if aware.token_to_id(mark) not in ids]
            if missing or not ids:
                what = f"the model has no token {shown(missing[0])}" if missing else "it has no tokens"
                raise UserError(f"beginning={shown(beginning)}: {what}. Give one of its tokens, or null: its first.")
            return ids
        own = getattr(self.network.config, "bos_token_id", None)
        if own is None:
            raise UserError(
                f"{said} names no first token (bos_token_id). Give a beginning, for example its document separator."
            )
        return [own]

    def _newlines(self) -> list[int]:
        """The tokens that hold a line break."""
        text = self.vocab.tokenizer
        return [number for number in range(len(self.vocab.tokens)) if "\n" in tokenizer.decode(text, [number])]

    # --- the contract -------------------------------------------------------------------------------------------------

    def start(self, n: int) -> State:
        caches, position = self._beginning()
        return *(cache.repeat(n, 1, 1, 1) for cache in caches), position.repeat(n)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        *caches, position = state
        upto = caches[0].shape[2]
        if position.device.type == "cpu":  # elsewhere it would be waited for
            upto = 1 + max(position.tolist(), default=0)
        rows = Rows(caches, position[:, None], upto)
        read = torch.arange(upto, device=position.device) <= position[:, None, None, None]
        features = self._body(self.ids[prev][:, None], position[:, None], read, rows)
        return features[:, 0], (*rows.leaves, position + 1)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return micro_batches(self._features, self.micro_batch_size, inputs)

    def _features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        ids = torch.cat([self.before.expand(len(inputs), -1), self.ids[inputs]], 1)
        places = torch.arange(ids.shape[1], device=ids.device)
        read = (places <= places[:, None]).expand(len(ids), 1, -1, -1)
        return self._body(ids, places.expand_as(ids), read)[:, len(self.before) :]

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        logits = linear(features, self.network.get_output_embeddings())
        ends = logits[..., self.enders].float().logsumexp(-1, keepdim=True)
        tokens = len(self.vocab.tokens)
        without = ends.new_full((*ends.shape[:-1], max(0, tokens - logits.shape[-1])), -torch.inf)  # special ones
        found = torch.cat([logits[..., :tokens], without, ends], -1)  # one copy, which is in float32, too
        return found.index_fill_(-1, self.never, -torch.inf)

    def fixed(self) -> list[Tensor]:
        return [weight for name, weight in self.network.named_parameters() if name in self.network.elsewhere]

    @contextmanager
    def decoding(self) -> Iterator[None]:
        with merged(self.network):
            yield

    # --- the network --------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _beginning(self) -> tuple[list[Tensor], Int[Tensor, "1"]]:
        """The caches of one row that has read the beginning but for its last token, and its position."""
        config, weight = self.network.config, self.network.get_input_embeddings().weight
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        read = len(self.before)
        shape = 1, heads, read + self.max_length, width
        caches = [weight.new_zeros(shape) for _ in range(2 * config.num_hidden_layers)]
        if read:
            places = torch.arange(read, device=weight.device)
            rows = Rows(caches, places[None], read)
            self._body(self.before[None], places[None], (places <= places[:, None])[None, None], rows)
        return caches, torch.full((1,), read, device=weight.device)

    def _body(self, ids: Tensor, position: Tensor, read: Tensor, rows: Rows | None = None) -> Float[Tensor, "B T H"]:
        """The last layer's states; ``read`` says which keys each query sees."""
        found = self.network.base_model(
            input_ids=ids,
            position_ids=position,
            attention_mask=read,
            use_cache=rows is not None,
            **{self.cache: rows},
        )
        return found.last_hidden_state


class Rows:
    """A cache of keys and values whose rows may stand at different positions, as transformers' layers ask for one."""

    is_compileable = False

    def __init__(self, leaves: list[Tensor], at: Int[Tensor, "B T"], upto: int):
        self.leaves, self.upto = leaves, upto
        self.places = torch.arange(len(at), device=at.device)[:, None], at

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Writes what was just computed to its places; all that there is up to now."""
        put = Tensor.index_put if torch.is_grad_enabled() else Tensor.index_put_  # autograd needs what it has read
        for leaf, new in ((2 * layer, keys), (2 * layer + 1, values)):
            by_place, new = (both.transpose(1, 2) for both in (self.leaves[leaf], new.to(self.leaves[leaf].dtype)))
            self.leaves[leaf] = put(by_place, self.places, new).transpose(1, 2)
        return self.leaves[2 * layer][:, :, : self.upto], self.leaves[2 * layer + 1][:, :, : self.upto]


def _check_tokens(vocab: Vocab, name: str, where: str) -> None:
    own = hugging_face.spelling(name, where)
    if vocab.tokenizer is None or tokenizer.tokens(own, "tokenizer.json") != vocab.tokens or not vocab.has_eos:
        raise UserError(
            f"{where}={shown(name, PATH)} has its own tokens, and the data have {len(vocab.tokens):,} others. "
            f"Give data.tokenizer={shown(name, PATH)}, with data=text."
        )


def _check_rows(vocab: Vocab, asked: set[int], rows: int, said: str) -> None:
    """That each token has a row of weights, but for special ones that nobody has ``asked`` for (Gemma 3 has one)."""
    if max({*range(len(vocab.tokens))} - _specials(vocab) | asked) >= rows:
        raise UserError(
            f"{said} has {rows:,} rows of weights for tokens, and its tokenizer.json has {len(vocab.tokens):,} tokens. "
            "Give the tokenizer of this model."
        )


def _specials(vocab: Vocab) -> set[int]:
    """The tokens that stand for no text: where one begins or ends, who speaks, what is not known."""
    added = tokenizer.opened(vocab.tokenizer).tokenizer.get_added_tokens_decoder()
    return {number for number, token in added.items() if token.special} | {tokenizer.unknown(vocab.tokenizer)} - {None}
