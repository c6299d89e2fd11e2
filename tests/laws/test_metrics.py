"""Every proxy of ``metrics=mauve`` says the same of the same sentences, however many processes collected them."""

import pytest
import torch
from torch import distributed as dist

from tests.helpers.playing import config
from textgan_lit.build import experiment
from textgan_lit.callbacks.quality import Quality
from textgan_lit.model.policy import Categorical
from textgan_lit.run.distributed import shard
from textgan_lit.types import TextBatch

RANKS, BATCH = 2, 50
WORDS = ("metrics=mauve", "data=tiny", "data.oracle.variable=true", "data.train=600", "data.valid=100", "data.test=100")


def proxies() -> dict[str, torch.Tensor]:
    """All of them, of this process's part of the same real sentences and samples."""
    settings = config(*WORDS, f"data.eval_batch_size={BATCH}")
    data = experiment.data(settings)
    data.setup()
    together = Quality(**experiment.metrics(settings, data)).chosen["test"]
    real = data.sentences("test")
    noise = torch.rand(real.tokens.shape, generator=torch.Generator().manual_seed(1))
    fake = data.oracle.sample(noise, Categorical(0.5)).batch
    for at in range(0, len(noise), BATCH):
        sides = (TextBatch(*(shard(part[at : at + BATCH]) for part in side)) for side in (real, fake))
        together.update(*sides)
    return {key: value.double() for key, value in together.compute().items()}


def one_of_two(number: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/store", rank=number, world_size=RANKS)
    torch.save(proxies(), f"{folder}/{number}.pt")
    dist.destroy_process_group()


@pytest.mark.slow
def test_every_proxy_is_the_same_in_two_processes(tmp_path):
    torch.multiprocessing.start_processes(one_of_two, (str(tmp_path),), RANKS, start_method="fork")
    single = proxies()
    kinds = {"bleu", "self_bleu", "distinct", "ngram_jsd", "ms_jaccard", "copied", "stutter", "repeats"}
    kinds |= {"fresh_bound", "lm_score", "reverse_lm_score", "frechet", "mauve"}
    assert all(any(key.startswith(f"quality/{kind}") for key in single) for kind in kinds)
    for number in range(RANKS):
        assert torch.load(tmp_path / f"{number}.pt") == single  # bit for bit
