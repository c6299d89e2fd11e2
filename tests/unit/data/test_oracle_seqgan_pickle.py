"""A pickle is a program: none is ever run, and none takes much time or memory."""

import io
import pickle
import struct

import numpy as np
import pytest

from tests.helpers.seqgan_files import Runs, arrays, as_pickle, changed, refuse
from textgan_lit.data import oracle_seqgan
from textgan_lit.data.oracle_seqgan import read_weights


def instructions(*parts):
    return b"\x80\x03" + b"".join(parts) + b"."


PAIR = b"]" + b"q\x00" + b"h\x00\x86q\x00" * 60  # (x, x) sixty times over: hashing it would take 2⁶⁰ steps
HEADER = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
OBJECTS = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\x00\x00\x00\x08\x85C\x01O\x87R"  # 2²⁷ of them
HEX = b"c_codecs\nencode\nC\x02abX\x03\x00\x00\x00hex\x86R"
HUGE = b"J\xff\xff\xff\x7f" * 2  # two sizes of 2³¹ − 1
FLOAT32 = b"cnumpy\ndtype\nX\x02\x00\x00\x00f4K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00<NNNK\x00K\x00K\x00tb"
# two gigabytes an item
VOID = b"cnumpy\ndtype\nX\x02\x00\x00\x00V8K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|NNNJ\xff\xff\xff\x7fK\x01K\x10tb"
HOSTILE_PICKLES = {
    "runs a command": (pickle.dumps([Runs("touch PROOF")]), "'posix.system'"),
    "runs a command in an array's place": (as_pickle(changed(bi=Runs("touch PROOF"))), "'posix.system'"),
    "asks for eval": (instructions(b"cbuiltins\neval\nX\x01\x00\x00\x001\x85R"), "'builtins.eval'"),
    "asks for numpy's load": (instructions(b"cnumpy\nload\n)R"), "'numpy.load'"),
    "asks by nested pairs": (instructions(PAIR, b"h\x00\x93"), "damaged"),
    "has names with line breaks": (b"\x80\x04\x8c\x02a\n\x8c\x02b\n\x93.", r"a\\n.b\\n"),
    "uses dictionaries": (instructions(b"}", PAIR, b"Nsb"), "instruction EMPTY_DICT"),
    "makes objects": (instructions(b"cnumpy\nndarray\n)\x81"), "instruction NEWOBJ"),
    "imports by number": (instructions(b"\x82\x01"), "instruction EXT1"),
    "loads outside objects": (instructions(b"X\x01\x00\x00\x00aQ"), "instruction BINPERSID"),
    "claims a huge array": (
        instructions(b"](", (HEADER + b"(K\x01" + HUGE + b"\x86" + FLOAT32 + b"\x89C\x03abctb") * 15, b"e"),
        "an array's shape does not fit its bytes",
    ),
    "claims many bytes": (b"\x80\x04]\x8e" + struct.pack("<Q", 2**40) + b"abc.", "instruction BINBYTES8|damaged"),
    "fills the memo": (instructions(b"]r\xff\xff\xff\xff"), "remembers more than 5,000 things"),
    "fills the memo in tokens": (instructions(b"]p4294967295\n"), "remembers more than 5,000 things"),
    "frames more than there is": (b"\x80\x04\x95" + struct.pack("<Q", 2**62) + b"].", "damaged"),
    "never stops": (b"\x80\x03" + b"N" * 100_000, "more than 5,000 instructions"),
    "multiplies bytes": (
        instructions(
            b"(c_codecs\nencode\nq\x01X", struct.pack("<I", 10**6), b"a" * 10**6, b"X\x06\x00\x00\x00latin1\x86q\x02",
            b"h\x01h\x02R" * 1000, b"l",
        ),
        "a list of 1002, expected",
    ),
    # each of the five names, as it would be abused if it were called
    "takes memory by _reconstruct": (instructions(b"](", OBJECTS * 15, b"e"), "not an array of numbers"),
    "takes memory by the newer _reconstruct": (
        instructions(b"](", OBJECTS.replace(b"core", b"_core") * 15, b"e"),
        "not an array of numbers",
    ),
    "takes memory by ndarray": (
        instructions(b"](", b"cnumpy\nndarray\nJ\x00\x00\x00\x08\x85X\x01\x00\x00\x00O\x86R" * 15, b"e"),
        "not an array of numbers",
    ),
    "reads beside an array by dtype's state": (
        instructions(b"](", (HEADER + b"(K\x01K\x01\x85" + VOID + b"\x89C\x08abcdefghtb") * 15, b"e"),
        "not float32",
    ),
    "unpacks by encode": (instructions(b"](", HEX * 15, b"e"), "not an array of numbers"),
    "unpacks an array's bytes by encode": (
        instructions(b"](", (HEADER + b"(K\x01K\x01\x85" + FLOAT32 + b"\x89" + HEX + b"tb") * 15, b"e"),
        "not an array of numbers|damaged",
    ),
    "is empty inside": (instructions(), "damaged"),
    "builds upon nothing": (instructions(b"Nb"), "damaged"),
    "builds upon a list": (instructions(b"]NN\x86b"), "a list of 0, expected|damaged"),
    "appends to itself": (instructions(b"]q\x00h\x00a"), "a list of 1, expected"),
    "is a dictionary": (pickle.dumps(arrays(), 3), "EMPTY_DICT"),
    "has one array too few": (pickle.dumps(list(arrays().values())[:14], 3), "a list of 14, expected a list of 15"),
    "holds tokens": (pickle.dumps(["a"] * 15, 3), "not an array of numbers"),
    "holds objects": (as_pickle(changed(bi=np.array([None] * 3))), "not float32"),
    "holds float64": (as_pickle(changed(bi=np.zeros(3))), "not float32"),
    "holds big-endian numbers": (as_pickle(changed(bi=np.zeros(3, ">f4"))), "not float32"),
    "holds float32 in newer pickles": (as_pickle(arrays(), 5), "_frombuffer|instruction"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE_PICKLES)
def test_a_pickle_is_never_run(put, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, said = HOSTILE_PICKLES[case]
    refuse(put(data, "weights.pkl"), said)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pkl"]  # no PROOF


def test_a_state_for_a_name_itself_is_forgotten(put):
    spoilt = instructions(b"](", b"c_codecs\nencode\n(K\x01K\x02tbcnumpy\ndtype\n(K\x01K\x02tb", b"e")
    refuse(put(spoilt, "weights.pkl"), "a list of 2, expected")
    sound = read_weights(put(as_pickle(arrays()), "sound.pkl"))
    assert all(np.array_equal(array, arrays()[name]) for name, array in sound.items())


@pytest.mark.parametrize(
    "name", ["numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode"]
)
def test_a_name_stands_for_nothing_that_acts(name):
    found = oracle_seqgan._Unpickler(io.BytesIO(b"")).find_class(*name.rsplit(".", 1))
    assert type(found) is type(found("anything")) is oracle_seqgan._Note
