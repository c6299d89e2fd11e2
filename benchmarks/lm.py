"""A pretrained language model as a player, where SMOLLM2 names its folder (``textgan fetch-model smollm2 DIR``).

* **Sampling**, 32 × 32 tokens: against transformers' ``generate`` with the same network; nobody may end. In fp32 what
  was sampled is checked to have the log-probability that transformers' own logits give it. The floor is one product by
  every weight for each token.
* **Unequal lengths**: seconds a token where sentences end as they like, over those where none ends.
* **A step of GRPO**: one group of 32 samples of at most 32 tokens, a reward for nothing, KL from a reference, adapters
  of rank 8. The reference is TRL's GRPOTrainer at the same (``pip install trl``; without it there is no row).
* **A game** of adapters, a discriminator on the generator's own body, a reference and likelihood's best generator, four
  sentences through the network at a time, by the command in a process of its own: its memory at most, all that it
  imports and what of files the system holds for it within; its checkpoint, and what taking that up takes beyond opening
  the base.
* **The truth** between two such models, 64 sentences of 17 tokens a side: seconds, and the memory of a run with it.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from benchmarks import measure
from benchmarks.measure import NONE, best_gflops, seconds
from benchmarks.row import Row
from textgan_lit import tokenizer
from textgan_lit.build.restore import check_state
from textgan_lit.data.oracle_lm import OracleLM
from textgan_lit.model import hugging_face
from textgan_lit.model.generator.pretrained import Pretrained
from textgan_lit.model.lora import Lora
from textgan_lit.model.policy import Categorical, Policy
from textgan_lit.noise import Noise
from textgan_lit.run.checkpoint import chosen, kept
from textgan_lit.truth.models import Models
from textgan_lit.truth.panel import Truth
from textgan_lit.types import Samples, Vocab

FOLDER = os.environ.get("SMOLLM2")
BEGINNING = "<|endoftext|>A photo of"
LINES = [f"a photo of {n} people who ride {m} horses" for n in range(2, 20) for m in range(2, 12)]
SENTENCES, TOKENS, LONG, RANK, TIMES = 32, 32, 64, 8, 3
LAYER = 576, 1536  # a layer's width and that of its middle
KL = 0.1
DTYPES = "float32", "bfloat16"


def rows() -> Iterator[Row]:
    if FOLDER is None:
        print("lm: no rows, since SMOLLM2 names no folder: textgan fetch-model smollm2 DIR, then SMOLLM2=DIR.")
        return
    hugging_face.need()
    for dtype in DTYPES:
        yield from sampling(dtype)
    yield unequal()
    if find_spec("trl"):
        for dtype in DTYPES:
            yield step(dtype)
    else:
        print("lm: no rows of a GRPO step, which needs what it is compared with: pip install trl.")
    yield from game()
    yield from truth()


# --- sampling ---------------------------------------------------------------------------------------------------------


@final
class Endless(Policy):
    """No sentence ends before its last position, as far as a policy can say."""

    def __call__(self, logits: Tensor) -> Tensor:
        return logits.index_fill(-1, torch.tensor([logits.shape[-1] - 1]), -torch.inf)


def sampling(dtype: hugging_face.DType) -> Iterator[Row]:
    """Ours and transformers' own, without adapters and with some."""
    noise = Noise(0, "lm").uniform(SENTENCES, TOKENS)
    for adapters in (None, Lora(RANK)):
        generator = player(TOKENS, dtype, adapters)
        if dtype == "float32":
            check(generator, generator.sample(noise, Categorical()))
        ours = seconds(lambda g=generator: g.sample(noise, Endless()), TIMES)
        theirs = seconds(lambda g=generator: generate(g), TIMES)
        ratio = theirs / ours
        name = f"a language model's {SENTENCES} × {TOKENS} tokens, {dtype}"
        name += "" if adapters is None else f", with adapters of rank {RANK}"
        floor = products(generator) / best_gflops(SENTENCES, *LAYER) if dtype == "float32" else NONE
        yield Row(name, ours, theirs, floor, ratio, "≥ 1.3 × transformers' generate", ratio >= 1.3)


def player(length: int, dtype: hugging_face.DType, adapters: Lora | None, **settings: Any) -> Pretrained:
    text = Path(FOLDER, "tokenizer.json").read_text()
    vocab = Vocab(tokenizer.tokens(text), has_eos=True, tokenizer=text)
    return Pretrained(vocab, length, FOLDER, adapters, dtype=dtype, beginning=BEGINNING, **settings).eval()


@torch.no_grad()
def generate(generator: Pretrained) -> None:
    """transformers' way from the same beginning to as many tokens."""
    settings = copy.deepcopy(generator.network.generation_config)
    settings.eos_token_id, settings.pad_token_id = None, 0
    settings.do_sample, settings.top_k, settings.top_p = True, 0, 1.0
    settings.max_length, settings.max_new_tokens = None, TOKENS
    ids = before(generator).expand(SENTENCES, -1)
    found = generator.network.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    assert found.shape == (SENTENCES, ids.shape[1] + TOKENS)


def before(generator: Pretrained) -> Tensor:
    return torch.cat([generator.before, generator.ids[generator.vocab.bos :][:1]])


@torch.no_grad()
def check(generator: Pretrained, samples: Samples) -> None:
    """That transformers gives what was sampled the same log-probability: given that it is no special token."""
    first, (end,) = before(generator), generator.enders.tolist()
    tokens = samples.tokens.masked_fill(~samples.mask, 0).masked_fill(samples.tokens == generator.vocab.eos, end)
    ids = torch.cat([first.expand(len(tokens), -1), tokens], 1)
    logits = generator.network(ids).logits[:, len(first) - 1 : -1, : len(generator.vocab.tokens)]
    never = generator.never[generator.never != end]
    logp = logits.index_fill(-1, never, -torch.inf).log_softmax(-1).gather(-1, tokens.unsqueeze(-1)).squeeze(-1)
    torch.testing.assert_close(logp[samples.mask], samples.logp[samples.mask], atol=1e-4, rtol=0)


def products(generator: Pretrained) -> float:
    """10⁹ operations of the products by all weights, for all tokens."""
    weights = sum(weight.numel() for weight in generator.network.parameters() if weight.dim() == 2)
    return 2e-9 * weights * SENTENCES * TOKENS


def unequal() -> Row:
    generator = player(LONG, "bfloat16", Lora(RANK), ends_at_newline=True)
    noise = Noise(0, "lm").uniform(SENTENCES, LONG)
    tokens = int(generator.sample(noise, Categorical()).mask.sum())
    ours, all_of_them = (
        seconds(lambda p=policy: generator.sample(noise, p), TIMES) for policy in (Categorical(), Endless())
    )
    share = tokens / (SENTENCES * LONG)
    ratio = ours / all_of_them / share
    name = f"… that end as they like: {share:.0%} of {SENTENCES} × {LONG} tokens; seconds a token, over none that ends"
    return Row(name, ours, all_of_them, share * all_of_them, ratio, "≤ 1.5: costs what is written", ratio <= 1.5)


# --- a step of GRPO ---------------------------------------------------------------------------------------------------


def overrides(file: Path, dtype: hugging_face.DType) -> tuple[str, ...]:
    """A game of this model on the lines of ``file``."""
    return (
        *("model=grpo", "data=text", f"data.path={file}", f"data.tokenizer={FOLDER}", f"data.max_length={TOKENS}"),
        *("model/generator=pretrained", f"model.generator.name={FOLDER}", f"model.generator.dtype={dtype}"),
        *(f"model.generator.lora.rank={RANK}", f"model.generator.beginning='{BEGINNING}'"),
        *("model.estimator.num_iterations=1", "model/regulariser=[reference_kl]"),
        *(f"model.regulariser.reference_kl.weight={KL}", "model.regulariser.reference_kl.estimator=k3"),  # as TRL
        *(f"model.optim.{update}.batch_size={SENTENCES}" for update in ("pretrain", "discriminator", "generator")),
    )


def step(dtype: hugging_face.DType) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "lines.txt")
        file.write_text("\n".join(LINES))
        cheap = "model/discriminator=conv", "model.discriminator.filters=[[1,1]]"
        cheap += ("model.discriminator.embedding=1", "model.discriminator.dropout=0.0")
        system, data, _ = measure.composed(*overrides(file, dtype), *cheap, always=("logger=none", "name=benchmark"))
        ours = seconds(measure.Steps(system, data, "generator"), TIMES)
        theirs = trl(folder, dtype)
    ratio = theirs / ours
    name = f"a GRPO step: {SENTENCES} samples of at most {TOKENS} tokens, adapters of rank {RANK}, {dtype}"
    return Row(name, ours, theirs, NONE, ratio, "≥ 1.3 × TRL's", ratio >= 1.3)


def trl(folder: str, dtype: hugging_face.DType) -> float:
    """Seconds of the processor, the median of some steps of TRL's after one that is not counted."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.taken: list[float] = []

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.since = time.process_time()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.taken.append(time.process_time() - self.since)

    tokens = AutoTokenizer.from_pretrained(FOLDER)
    tokens.pad_token = tokens.pad_token or tokens.convert_ids_to_tokens(0)
    tokens.eos_token = tokens.eos_token or tokens.pad_token
    settings = GRPOConfig(
        output_dir=folder,
        per_device_train_batch_size=SENTENCES,
        num_generations=SENTENCES,
        max_completion_length=TOKENS,
        beta=KL,
        max_steps=TIMES + 1,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    clock = Clock()
    GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(FOLDER, dtype=getattr(torch, dtype)),
        reward_funcs=lambda completions, **_: [float(len(text)) for text in completions],
        args=settings,
        train_dataset=Dataset.from_list([{"prompt": BEGINNING}] * SENTENCES),
        processing_class=tokens,
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear"),
        callbacks=[clock],
    ).train()
    return sorted(clock.taken[1:])[TIMES // 2]


# --- a game -----------------------------------------------------------------------------------------------------------

SHORT = (
    *("model/discriminator=value_head", "model.generator.micro_batch_size=4"),
    *("model.schedule.pretrain_steps=2", "model.schedule.discriminator_pretrain_steps=1"),
    *("model.schedule.adversarial_steps=2", "model.schedule.k=1", "check_size=32", "metrics=none", "logger=none"),
    *("~callbacks.closing", "~callbacks.choice", "~callbacks.progress"),
)


def game() -> Iterator[Row]:
    """With adapters in all linear layers, as by default, and in those of attention's queries and values alone."""
    base = sum(path.stat().st_size for path in Path(FOLDER).glob("*.safetensors")) / 2e9  # of bfloat16
    most = 1.6 * base + 0.5
    opened = seconds(lambda: hugging_face.opened(FOLDER, "AutoModelForCausalLM", "bfloat16", "SMOLLM2"), TIMES)
    for targets in ("all-linear", "[q_proj,v_proj]"):
        with tempfile.TemporaryDirectory() as folder:
            file, run = Path(folder, "lines.txt"), Path(folder, "run")
            file.write_text("\n".join(LINES))
            adapters = (f"model.{player}.lora.targets={targets}" for player in ("generator", "discriminator"))
            settings = *overrides(file, "bfloat16"), *SHORT, *adapters
            peak = played(*settings, f"hydra.run.dir={run}")
            name = f"memory of a game, bfloat16: a discriminator on G's body, a reference, adapters in {targets}"
            yield Row(name, peak, NONE, base, most / peak, "≥ 1: 1.6 × the base and 0.5 GB", peak <= most, "GB")
            size = kept(run / "checkpoints")[0].stat().st_size / 1e6
            name = f"… its checkpoint, {targets}"
            yield Row(name, size, NONE, NONE, 15 / size, "≥ 1: at most 15 MB", size <= 15, "MB")
            ours = seconds(lambda settings=settings, run=run: taken_up(run, *settings), TIMES)
            beyond = ours - opened
            name = f"… building the players and taking it up, {targets}; and of it opening the base"
            yield Row(name, ours, opened, NONE, 5 / beyond, "≥ 1: 5 s beyond", beyond <= 5)


def taken_up(run: Path, *overrides: str) -> None:
    """Builds a run's players and gives them the state of its newest checkpoint, looked at as a resume does."""
    system, data, _ = measure.composed(*overrides, always=("name=benchmark",))
    saved = chosen(kept(run / "checkpoints")[0])
    check_state(saved, system, (), data)
    system.on_load_checkpoint(saved.state)
    system.load_state_dict(saved.state["state_dict"])


# --- the truth --------------------------------------------------------------------------------------------------------

SIDE, LENGTH = 64, 17


def truth() -> Iterator[Row]:
    oracle = OracleLM(FOLDER, LENGTH, beginning=BEGINNING)
    generator = player(LENGTH, "float32", Lora(RANK))
    real = oracle.sample(Noise(0, "lm").uniform(SIDE, LENGTH), Endless()).batch
    fake = generator.sample(Noise(1, "lm").uniform(SIDE, LENGTH), Endless()).batch
    models = Models(oracle, generator, Categorical())
    ours = seconds(lambda: models.add_to(Truth(LENGTH), real, fake), TIMES)
    name = f"the truth between two models: {SIDE} + {SIDE} sentences of {LENGTH} tokens"
    yield Row(name, ours, NONE, NONE, 60 / ours, "≥ 1: at most 60 s", ours <= 60)
    with tempfile.TemporaryDirectory() as folder:
        student = "model/generator=pretrained", f"model.generator.name={FOLDER}", f"model.generator.lora.rank={RANK}"
        size = "data.train=8", f"data.valid={SIDE}", f"data.test={SIDE}", f"data.oracle.max_length={LENGTH}"
        step = "model=mle", "model.optim.pretrain.batch_size=8", "model.schedule.pretrain_steps=1", "logger=none"
        about = "metrics=none", "callbacks.closing.temperatures=[1.0]", f"hydra.run.dir={Path(folder, 'run')}"
        peak = played("data=oracle_lm", f"data.name={FOLDER}", *student, *size, *step, *about)
    yield Row("… memory of a run that takes it", peak, NONE, NONE, 3 / peak, "≥ 1: at most 3 GB", peak <= 3, "GB")


def played(*overrides: str) -> float:
    """GB that ``python train.py OVERRIDES``, in a process of its own, held at most."""
    process = subprocess.Popen([sys.executable, "-m", "textgan_lit.cli", *overrides], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024 / 1e9
