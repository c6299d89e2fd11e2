"""Files that hold no weights of SeqGAN's: each is refused in one line, whatever its format."""

import contextlib
import io
import os
import zipfile

import numpy as np
import pytest

from tests.helpers.seqgan_files import WRITERS, Runs, arrays, as_npz, as_pickle, changed, refuse
from textgan_lit.data.oracle_seqgan import LARGEST_FILE, read_weights
from textgan_lit.errors import UserError


@pytest.fixture(params=WRITERS)
def format(request):
    return request.param, WRITERS[request.param]


@pytest.mark.parametrize("kept", [1, 0.3, 0.97])
def test_a_truncated_file_is_refused(put, format, kept):
    name, write = format
    data = write(arrays())
    refuse(put(data[: kept if kept == 1 else int(kept * len(data))], name), "damaged|broken")


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(put, format, seed):
    refuse(put(np.random.default_rng(seed).bytes(5000), format[0]), "damaged|broken|instruction|instructions")


@pytest.mark.parametrize("seed", range(30))
def test_damage_anywhere_is_refused_or_changes_numbers_alone(put, format, seed):
    name, write = format
    data, random = bytearray(write(arrays())), np.random.default_rng(seed)
    for place in random.integers(0, len(data), 3):
        data[place] = random.integers(0, 256)
    with contextlib.suppress(UserError):
        read = read_weights(put(bytes(data), name))
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
    refuse(put(write(values), name), said)


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
    refuse(put(WRITERS[name](values), name), said)


def test_objects_in_an_npz_are_never_unpickled(put, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refuse(put(as_npz(changed(bi=np.array([Runs("touch PROOF")] * 3))), "weights.npz"), "array bi has type object")
    assert not (tmp_path / "PROOF").exists()


def test_an_npz_that_unpacks_to_more_than_it_may_is_refused(put):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("emb.npy", bytes(2 * LARGEST_FILE))
    assert len(file.getvalue()) < 100_000
    refuse(put(file.getvalue(), "weights.npz"), "unpacks to more than")


def test_an_npz_whose_array_claims_to_be_huge_is_refused(put):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**3)})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("emb.npy", header.getvalue())
    refuse(put(file.getvalue(), "weights.npz"), "shape does not fit its bytes")


def test_files_that_are_no_weights_at_all(put, tmp_path, format):
    name, _ = format
    refuse(str(tmp_path / "nowhere" / name), "there is no such file")
    refuse(put(b"", name), "the file is empty")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / name).mkdir()
    refuse(str(tmp_path / "folder" / name), "it is a folder")
    os.mkfifo(tmp_path / "folder" / f"pipe-{name}")
    refuse(str(tmp_path / "folder" / f"pipe-{name}"), "not a regular file")
    refuse(str(tmp_path / f"{'x' * 300}{name}"), "it cannot be read|there is no such file")


@pytest.mark.parametrize("name", ["weights.txt", "weights", "weights.pkl.gz"])
def test_an_unknown_ending_is_refused(put, name):
    refuse(put(as_pickle(arrays()), name), "its ending is .*, not one of .pkl, .npz, .safetensors")


def test_a_path_with_line_breaks_still_makes_one_line(tmp_path):
    refuse(str(tmp_path / "a\nb.pkl"), "there is no such file")


def test_a_file_that_is_too_large_is_not_read_to_its_end(tmp_path):
    with (tmp_path / "weights.pkl").open("wb") as file:
        file.truncate(2**40)  # holes take no space
    refuse(str(tmp_path / "weights.pkl"), "larger than 16,777,216 bytes")
