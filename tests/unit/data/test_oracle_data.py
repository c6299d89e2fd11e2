import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from textgan_lit.data.mixture import Mixture
from textgan_lit.data.oracle_data import OracleData
from textgan_lit.data.oracle_lstm import OracleLSTM
from textgan_lit.data.tiny import Tiny
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.run import distributed
from textgan_lit.types import TextBatch


def module(oracle=None, train=40, valid=20, test=30, batch=8, **options):
    return OracleData(oracle or Mixture(), train, valid, test, **options).with_batch(batch)


def take(loader, n):
    return [batch.tokens for _, batch in zip(range(n), loader, strict=False)]


@pytest.fixture
def among(monkeypatch):
    """among(rank, world): this process is one of many."""

    def become(rank, world):
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        monkeypatch.setattr(distributed, "world_size", lambda: world)

    return become


def test_it_presents_the_world():
    oracle = Tiny(variable=True)
    data = module(oracle)
    assert data.oracle is oracle
    assert (data.vocab, data.max_length, data.batch) == (oracle.vocab, 3, 8)


def test_splits_have_their_sizes_and_padding():
    data = module(Tiny(variable=True))
    for split, size in {"train": 40, "valid": 20, "test": 30}.items():
        tokens, mask = data.sentences(split)
        assert tokens.shape == mask.shape == (size, 3)
        assert mask.equal(tokens != data.vocab.pad)


def test_splits_are_draws_of_their_own():
    data = module(train=30, valid=30, test=30)
    splits = [data.sentences(split).tokens for split in ("train", "valid", "test")]
    for i, first in enumerate(splits):
        for other in splits[i + 1 :]:  # 20 tokens, 8 long: the same sentence twice is next to impossible
            assert not (first[:, None] == other).all(2).any()


def test_splits_depend_on_seed_and_world_alone():
    first = module().sentences("train").tokens
    torch.manual_seed(99)
    assert module(test=50, valid=10).sentences("train").tokens.equal(first)
    assert module(train=60).sentences("train").tokens[:40].equal(first)
    assert not module(seed=1).sentences("train").tokens.equal(first)
    assert not module(Mixture(seed=2)).sentences("train").tokens.equal(first)


def test_splits_follow_the_oracles_law():
    oracle = OracleLSTM(vocab_size=30, length=4, embedding=4, hidden=4)
    batch = module(oracle, train=4000).sentences("train")
    first = oracle.logits(torch.tensor([[oracle.vocab.bos]]))[0, 0].softmax(-1)
    seen = batch.tokens[:, 0].bincount(minlength=30) / 4000
    assert ((seen - first).abs() < 4 * (first * (1 - first) / 4000).sqrt() + 1e-3).all()
    assert oracle.logp(batch, Categorical()).isfinite().all()


def test_sentences_do_not_depend_on_where_the_oracle_went():
    data, expected = module(), module().sentences("test")
    assert data.oracle.on(torch.device("cpu")) is data.oracle
    there = data.oracle.on(torch.device("meta"))
    assert {leaf.device.type for leaf in there.state_dict().values()} == {"meta"}
    assert data.oracle.on(torch.device("meta")) is there
    assert data.sentences("test").tokens.equal(expected.tokens)


def test_a_split_too_large_for_one_piece_is_written_in_several(monkeypatch):
    whole = module().sentences("train").tokens
    monkeypatch.setattr("textgan_lit.data.oracle_data.CHUNK", 7 * 20)
    assert module().sentences("train").tokens.equal(whole)


def test_setup_writes_what_the_stage_reads_and_only_once():
    data = module()
    data.setup("fit")
    assert set(data._written) == {"train", "valid"}
    train = data.sentences("train")
    data.setup("fit")
    data.setup("test")
    assert data.sentences("train") is train
    assert set(data._written) == {"train", "valid", "test"}


def test_training_batches_are_training_sentences():
    data = module()
    epoch = torch.cat(take(data.train_dataloader(), 5))
    assert sorted(epoch.tolist()) == sorted(data.sentences("train").tokens.tolist())


def test_evaluation_loaders_read_their_splits_in_order():
    data = module(eval_batch_size=8)
    for split, loader in {"valid": data.val_dataloader(), "test": data.test_dataloader()}.items():
        assert torch.cat([batch.tokens for batch in loader]).equal(data.sentences(split).tokens)


@pytest.mark.parametrize("train", [40, None])
def test_two_processes_share_the_sentences_of_one(among, train):
    alone = {"train": take(module(train=train).train_dataloader(), 7), "valid": take(module().val_dataloader(), 1)}
    for rank in (0, 1):
        among(rank, 2)
        data = module(train=train)
        for whole, part in zip(alone["train"], take(data.train_dataloader(), 7), strict=True):
            assert part.equal(whole[rank::2])
        for whole, part in zip(alone["valid"], data.val_dataloader(), strict=True):
            assert part.tokens.equal(whole[rank::2])
        assert data.sentences("valid").tokens.equal(module().sentences("valid").tokens)  # whole on every rank


def test_endless_sentences_never_come_again():
    data = module(train=None)
    data.setup("fit")
    tokens = torch.cat(take(data.train_dataloader(), 20))
    assert len(tokens.unique(dim=0)) == len(tokens) == 160
    with pytest.raises(UserError, match=r"data.train=null .* such as 27000"):
        data.sentences("train")


@pytest.mark.parametrize("train", [40, None])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning")  # of other folders, and of its own doings
def test_a_resumed_run_reads_what_an_uninterrupted_one_would_have(tmp_path, train, workers):
    def read(folder, position=0, **options):
        reader, data = Reader(), module(train=train, workers=workers)
        data.position = position
        saves = ModelCheckpoint(tmp_path / folder, filename="{step}", every_n_train_steps=3, save_top_k=-1)
        quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "limit_val_batches": 0}
        trainer = pl.Trainer(accelerator="cpu", max_steps=7, max_epochs=-1, callbacks=[saves], **quiet)
        trainer.fit(reader, datamodule=data, **options)
        return reader.seen

    uninterrupted = read("first")
    assert [tokens.tolist() for tokens in read("second", 3, ckpt_path=tmp_path / "first" / "step=3.ckpt")] == [
        tokens.tolist() for tokens in uninterrupted[3:]
    ]


class Reader(pl.LightningModule):
    """Takes down what it is given."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def training_step(self, batch, batch_idx):
        assert isinstance(batch, TextBatch)
        self.seen.append(batch.tokens)
        return self.weight**2

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(UserError, match=r"batch of 41 .*data.train=40.*at most 40.*data.train=null"):
        module(batch=41)
    assert module(batch=41, train=None).batch == 41


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"batch": 8}, "batch=8 .* such as 9"),
        ({"batch": 9}, "valid=20 .* such as 21"),
        ({"batch": 9, "valid": 21, "test": 31}, "test=31 .* such as 33"),
        ({"batch": 9, "valid": 21, "eval_batch_size": 10}, "eval_batch_size=10 .* such as 12"),
    ],
)
def test_what_processes_cannot_share_equally_is_refused_before_training(among, options, said):
    among(0, 3)
    with pytest.raises(UserError, match=f"3 processes cannot share {said}"):
        module(**options).train_dataloader()


def test_training_without_a_batch_size_is_an_error_of_ours():
    with pytest.raises(RuntimeError, match="with_batch"):
        OracleData(Tiny(), 10, 10, 10).train_dataloader()
