import contextlib
import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch
from torch.testing import assert_close

from textgan_lit.data import oracle_seqgan
from textgan_lit.data.oracle_seqgan import LARGEST_FILE, NAMES, OracleSeqGAN, read_weights
from textgan_lit.errors import UserError
from textgan_lit.model.policy import Categorical
from textgan_lit.model.sampling import sample
from textgan_lit.noise import Noise

PUBLISHED = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="SeqGAN's published weights are not beside the checkout"
)


def arrays(words=6, embedding=2, hidden=3):
    random = np.random.default_rng(0)
    shapes = {"W": (embedding, hidden), "U": (hidden, hidden), "b": (hidden,)}
    shapes |= {"emb": (words, embedding), "Wout": (hidden, words), "bout": (words,)}
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


@pytest.fixture
def put(tmp_path):
    """put(name, data): a file and its path."""

    def write(name, data):
        (tmp_path / name).write_bytes(data)
        return str(tmp_path / name)

    return write


def by_hand(at, words):
    """SeqGAN's own formulas in numpy: the logits of each word of one sentence, from word 0 and a state of zeros."""
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    h = c = np.zeros(at["bi"].shape)
    rows = []
    for word in [0, *words[:-1]]:
        x = at["emb"][word]
        i, f, o = (sigmoid(x @ at["W" + g] + h @ at["U" + g] + at["b" + g]) for g in "ifo")
        c = f * c + i * np.tanh(x @ at["Wc"] + h @ at["Uc"] + at["bc"])
        h = o * np.tanh(c)
        rows.append(h @ at["Wout"] + at["bout"])
    return np.stack(rows)


# --- what is read --------------------------------------------------------------------------------------------------


def test_it_is_the_published_network(put):
    at, words = arrays(), [3, 0, 5, 1]
    oracle = OracleSeqGAN(put("weights.pkl", as_pickle(at)), length=4)
    logits = oracle.logits(torch.tensor([[oracle.vocab.bos, *words[:-1]]]))[0]
    assert_close(logits, torch.from_numpy(by_hand(at, words)).float())
    assert oracle.vocab.words == ("0", "1", "2", "3", "4", "5")
    assert (oracle.vocab.eos, oracle.max_length) == (None, 4)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_every_common_pickle_protocol_is_read(put, protocol):
    at = changed(Wout=np.asfortranarray(arrays()["Wout"]))
    for name, array in read_weights(put("weights.pkl", as_pickle(at, protocol))).items():
        assert np.array_equal(array, at[name]), name


def test_numpys_older_name_is_read(put):
    data = as_pickle(arrays()).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert b"numpy.core" in data
    assert np.array_equal(read_weights(put("weights.pkl", data))["Ui"], arrays()["Ui"])


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("weights.npz", as_npz),
        ("weights.npz", lambda values: as_npz(values, np.savez_compressed)),
        ("weights.safetensors", as_safetensors),
    ],
)
def test_other_formats_give_the_same_world(put, name, write):
    pickled = OracleSeqGAN(put("weights.pkl", as_pickle(arrays())))
    assert OracleSeqGAN(put(name, write(arrays()))).fingerprint() == pickled.fingerprint()


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
    logp = torch.cat([sample(oracle, part, Categorical()).logp for part in noise.split(500)])
    assert oracle.vocab.size == 5000
    assert_close(-logp.mean().item(), 5.75, rtol=0, atol=0.03)


# --- what is refused -----------------------------------------------------------------------------------------------


class Runs:
    """Pickles into a call of os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


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
    "fills the memo in words": (instructions(b"]p4294967295\n"), "remembers more than 5,000 things"),
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
    "holds words": (pickle.dumps(["a"] * 15, 3), "not an array of numbers"),
    "holds objects": (as_pickle(changed(bi=np.array([None] * 3))), "not float32"),
    "holds float64": (as_pickle(changed(bi=np.zeros(3))), "not float32"),
    "holds big-endian numbers": (as_pickle(changed(bi=np.zeros(3, ">f4"))), "not float32"),
    "holds float32 in newer pickles": (as_pickle(arrays(), 5), "_frombuffer|instruction"),
}  # fmt: skip


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


@pytest.mark.parametrize("case", HOSTILE_PICKLES)
def test_a_pickle_is_never_run(put, case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data, said = HOSTILE_PICKLES[case]
    refuse(put("weights.pkl", data), said)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.pkl"]  # no PROOF


def test_a_state_for_a_name_itself_is_forgotten(put):
    spoilt = instructions(b"](", b"c_codecs\nencode\n(K\x01K\x02tbcnumpy\ndtype\n(K\x01K\x02tb", b"e")
    refuse(put("weights.pkl", spoilt), "a list of 2, expected")
    sound = read_weights(put("sound.pkl", as_pickle(arrays())))
    assert all(np.array_equal(array, arrays()[name]) for name, array in sound.items())


@pytest.mark.parametrize(
    "name", ["numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype", "_codecs.encode"]
)
def test_a_name_stands_for_nothing_that_acts(name):
    found = oracle_seqgan._Unpickler(io.BytesIO(b"")).find_class(*name.rsplit(".", 1))
    assert type(found) is type(found("anything")) is oracle_seqgan._Note


WRITERS = {"weights.pkl": as_pickle, "weights.npz": as_npz, "weights.safetensors": as_safetensors}


@pytest.fixture(params=WRITERS)
def format(request):
    return request.param, WRITERS[request.param]


@pytest.mark.parametrize("kept", [1, 0.3, 0.97])
def test_a_truncated_file_is_refused(put, format, kept):
    name, write = format
    data = write(arrays())
    refuse(put(name, data[: kept if kept == 1 else int(kept * len(data))]), "damaged|broken")


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(put, format, seed):
    refuse(put(format[0], np.random.default_rng(seed).bytes(5000)), "damaged|broken|instruction|instructions")


@pytest.mark.parametrize("seed", range(30))
def test_damage_anywhere_is_refused_or_changes_numbers_alone(put, format, seed):
    name, write = format
    data, random = bytearray(write(arrays())), np.random.default_rng(seed)
    for place in random.integers(0, len(data), 3):
        data[place] = random.integers(0, 256)
    with contextlib.suppress(UserError):
        read = read_weights(put(name, bytes(data)))
        assert {key: value.shape for key, value in read.items()} == {k: v.shape for k, v in arrays().items()}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (changed(Wf=np.zeros((2, 2), "f4")), r"array Wf has shape \(2, 2\), expected \(2, 3\)"),
        (changed(bout=np.zeros((5,), "f4")), r"array bout has shape \(5,\), expected \(6,\)"),
        (changed(emb=np.zeros((6,), "f4")), r"emb has shape \(6,\) and Wout \(3, 6\), expected two matrices"),
        (changed(emb=np.zeros((0, 2), "f4")), r"emb has shape \(0, 2\)"),
        (changed(Uc=np.full((3, 3), np.nan, "f4")), "array Uc contains NaN or infinity"),
        (changed(bc=np.array([0, np.inf, 0], "f4")), "array bc contains NaN or infinity"),
    ],
)
def test_arrays_that_make_no_lstm_are_refused(put, format, values, said):
    name, write = format
    refuse(put(name, write(values)), said)


@pytest.mark.parametrize("name", ["weights.npz", "weights.safetensors"])
@pytest.mark.parametrize(
    ("values", "said"),
    [
        (changed(bi=np.zeros(3)), "array bi has type float64, expected float32"),
        (changed(extra=np.zeros(3, "f4")), "16 arrays, expected 15|more than 15 arrays"),
        ({k: v for k, v in arrays().items() if k != "Wi"}, r"14 arrays, expected 15; missing: \['Wi'\]"),
    ],
)
def test_wrong_names_and_types_are_refused(put, name, values, said):
    refuse(put(name, WRITERS[name](values)), said)


def test_objects_in_an_npz_are_never_unpickled(put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse(put("weights.npz", as_npz(changed(bi=np.array([Runs("touch PROOF")] * 3)))), "array bi has type object")
    assert not (tmp_path / "PROOF").exists()


def test_an_npz_that_unpacks_to_more_than_it_may_is_refused(put):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emb.npy", bytes(2 * LARGEST_FILE))
    assert len(file.getvalue()) < 100_000
    refuse(put("weights.npz", file.getvalue()), "unpacks to more than")


def test_an_npz_whose_array_claims_to_be_huge_is_refused(put):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("emb.npy", header.getvalue())
    refuse(put("weights.npz", file.getvalue()), "shape does not fit its bytes")


def test_files_that_are_no_weights_at_all(put, tmp_path, format):
    name, _ = format
    refuse(str(tmp_path / "nowhere" / name), "there is no such file")
    refuse(put(name, b""), "the file is empty")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).mkdir()
    refuse(str(tmp_path / "folder" / name), "it is a folder")
    os.mkfifo(tmp_path / "folder" / f"pipe-{name}")
    refuse(str(tmp_path / "folder" / f"pipe-{name}"), "not a regular file")
    refuse(str(tmp_path / f"{'x' * 300}{name}"), "it cannot be read|there is no such file")


@pytest.mark.parametrize("name", ["weights.txt", "weights", "weights.pkl.gz"])
def test_an_unknown_ending_is_refused(put, name):
    refuse(put(name, as_pickle(arrays())), "its ending is .*, not one of .pkl, .npz, .safetensors")


def test_a_path_with_line_breaks_still_makes_one_line(tmp_path):
    refuse(str(tmp_path / "a\nb.pkl"), "there is no such file")


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path):
    with (tmp_path / "weights.pkl").open("wb") as file:
        file.truncate(2**40)  # holes take no space
    refuse(str(tmp_path / "weights.pkl"), "larger than 16,777,216 bytes")
