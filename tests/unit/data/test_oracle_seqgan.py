"""The published oracle: what is read of its files, and the sentences it writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from tests.helpers.seqgan_files import arrays, as_npz, as_pickle, as_safetensors, changed
from textgan_lit.data.oracle_seqgan import NAMES, OracleSeqGAN, read_weights
from textgan_lit.model.policy import Categorical
from textgan_lit.noise import Noise

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="SeqGAN's published weights are not beside the checkout"
)


def by_hand(at, tokens):
    """SeqGAN's own formulas in numpy: the logits of each token of one sentence, from token 0 and a state of zeros."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    h = c = np.zeros(at["bi"].shape)
    rows = []
    for token in [0, *tokens[:-1]]:
        x = at["emb"][token]
        i, f, o = (sigmoid(x @ at["W" + g] + h @ at["U" + g] + at["b" + g]) for g in "ifo")
        c = f * c + i * np.tanh(x @ at["Wc"] + h @ at["Uc"] + at["bc"])
        h = o * np.tanh(c)
        rows.append(h @ at["Wout"] + at["bout"])
    return np.stack(rows)


def test_it_is_the_published_network(put):
    at, tokens = arrays(), [3, 0, 5, 1]
    oracle = OracleSeqGAN(put(as_pickle(at), "weights.pkl"), length=4)
    logits = oracle.logits(torch.tensor([[oracle.vocab.bos, *tokens[:-1]]]))[0]
    assert_close(logits, torch.from_numpy(by_hand(at, tokens)).float())
    assert oracle.vocab.tokens == ("0", "1", "2", "3", "4", "5")
    assert (oracle.vocab.eos, oracle.max_length) == (None, 4)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_every_common_pickle_protocol_is_read(put, protocol):
    at = changed(Wout=np.asfortranarray(arrays()["Wout"]))
    for name, array in read_weights(put(as_pickle(at, protocol), "weights.pkl")).items():
        assert np.array_equal(array, at[name]), name


def test_numpys_older_name_is_read(put):
    data = as_pickle(arrays()).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core" in data
    assert np.array_equal(read_weights(put(data, "weights.pkl"))["Ui"], arrays()["Ui"])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("weights.npz", as_npz),
        ("weights.npz", lambda values: as_npz(values, np.savez_compressed)),
        ("weights.safetensors", as_safetensors),
    ],
)
def test_other_formats_give_the_same_world(put, name, write):
    pickled = OracleSeqGAN(put(as_pickle(arrays()), "weights.pkl"))
    assert OracleSeqGAN(put(write(arrays()), name)).fingerprint() == pickled.fingerprint()


@needs_published
def test_the_published_files_are_read_and_agree():
    pickled, zipped = (
        read_weights(str(PUBLISHED / name)) for name in ("seqgan_target_params.pkl", "seqgan_oracle.npz")
    )
    assert all(np.array_equal(pickled[name], zipped[name]) for name in NAMES)


@needs_published
def test_the_published_oracle_has_its_published_entropy():
    oracle = OracleSeqGAN(str(PUBLISHED / "seqgan_target_params.pkl"))
    noise = Noise(0, "entropy").uniform(3000, 20)
    # logp comes from the policy that drew; spread of a sentence's mean about .027 per √400, so SE ≈ .01
    logp = torch.cat([oracle.sample(part, Categorical()).logp for part in noise.split(500)])
    assert oracle.vocab.size == 5000
    assert_close(-logp.mean().item(), 5.75, rtol=0, atol=0.03)
