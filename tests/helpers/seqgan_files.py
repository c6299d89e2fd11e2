"""Files of SeqGAN's weights, sound and hostile, and how every one that is none is refused."""

import io
import os
import pickle
import time
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy

from textgan_lit.data.oracle_seqgan import LARGEST_FILE, NAMES, OracleSeqGAN
from textgan_lit.errors import UserError


def arrays(tokens=6, embedding=2, hidden=3):
    random = np.random.default_rng(0)
    shapes = {"W": (embedding, hidden), "U": (hidden, hidden), "b": (hidden,)}
    shapes |= {"emb": (tokens, embedding), "Wout": (hidden, tokens), "bout": (tokens,)}
    return {n: random.normal(size=shapes.get(n) or shapes[n[0]]).astype("f4") for n in NAMES}


def changed(**other):
    return arrays() | other


def as_pickle(values, protocol=3):
    return pickle.dumps(list(values.values()), protocol)


def as_npz(values, save=np.savez):
    file = io.BytesIO()
    save(file, **values)
    return file.getvalue()


def as_safetensors(values):
    return safetensors.numpy.save(values)


class Runs:
    """Pickles into a call of os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


WRITERS = {"weights.pkl": as_pickle, "weights.npz": as_npz, "weights.safetensors": as_safetensors}


def refuse(path, said):
    """Every refusal: one line with the path, what is wrong, what was expected; at once, and with little memory."""
    tracemalloc.start()
    began = time.monotonic()
    with pytest.raises(UserError, match=said) as caught:
        OracleSeqGAN(path)
    seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 5
    assert peak < 10 * 2**20 + 4 * LARGEST_FILE
    message = str(caught.value)
    assert "\n" not in message
    assert repr(path) in message
    assert "target_params_py3.pkl" in message
    assert ".npz or .safetensors" in message
