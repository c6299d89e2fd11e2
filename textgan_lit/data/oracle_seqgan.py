"""The oracle that SeqGAN published: every number of its benchmark is measured against these weights.

Weights files are untrusted bytes, and a pickle is a program. So its instructions are looked at first, which bounds what
they can take; then each name that it mentions becomes a :class:`_Note`, never what numpy calls so: with numpy's own,
five names would do to take all memory (``_reconstruct``, ``ndarray``, ``encode``) or to corrupt it (``dtype``'s state).
"""

from __future__ import annotations

import io
import math
import os
import pickle
import pickletools
import zipfile
from pathlib import Path
from typing import final

import numpy as np
import safetensors.numpy
import torch
from jaxtyping import Float, Int
from torch import Tensor

from textgan_lit.data.oracle import Oracle
from textgan_lit.errors import UserError
from textgan_lit.model.generator.base import State
from textgan_lit.model.generator.lstm import LSTM
from textgan_lit.types import Length, Vocab

# In the published order. Gates: i input, f forget, o output, c candidate; rows of W and U are inputs.
NAMES = ("emb", "Wi", "Ui", "bi", "Wf", "Uf", "bf", "Wo", "Uo", "bo", "Wc", "Uc", "bc", "Wout", "bout")
TORCH_GATES = "ifco"  # the same gates in torch's order (which calls the candidate g)
LARGEST_FILE = 2**24  # bytes; the published one has 1,334,000
MOST_INSTRUCTIONS = 5000  # the published pickle has 416
WANTED = (
    "Give SeqGAN's save/target_params_py3.pkl (github.com/LantaoYu/SeqGAN), "
    f"or the same {len(NAMES)} float32 arrays as .npz or .safetensors"
)
Arrays = dict[str, np.ndarray]


@final
class OracleSeqGAN(Oracle):
    """SeqGAN's LSTM with the weights in the file ``weights``: .pkl as published, .npz or .safetensors.

    The published weights have 5,000 tokens, embedding and hidden 32; at ``length`` 20 their entropy is 5.75 ± 0.02
    nats per token. Tokens are named by their number. Sentences start from token 0, so bos has its embedding.
    """

    def __init__(self, weights: str, length: Length = 20):
        arrays = read_weights(weights)
        vocab_size = len(arrays["emb"])
        super().__init__(Vocab(tuple(str(token) for token in range(vocab_size))), length)
        with torch.random.fork_rng(devices=[]):  # a module's own initialisation draws from torch's global stream
            self.network = LSTM(self.vocab, length, arrays["emb"].shape[1], len(arrays["Wout"]))
        self.network.load_state_dict(_torch_layout(arrays))
        self.network.requires_grad_(False)

    def start(self, n: int) -> State:
        return self.network.start(n)

    def advance(self, prev: Int[Tensor, " B"], state: State) -> tuple[Float[Tensor, "B H"], State]:
        return self.network.advance(prev, state)

    def features(self, inputs: Int[Tensor, "B T"]) -> Float[Tensor, "B T H"]:
        return self.network.features(inputs)

    def head(self, features: Float[Tensor, "*rows H"]) -> Float[Tensor, "*rows V"]:
        return self.network.head(features)


def _torch_layout(arrays: Arrays) -> dict[str, Tensor]:
    """The arrays under the names, shapes and gate order of :class:`textgan_lit.model.generator.lstm.LSTM`."""
    at = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    bias = torch.cat([at["b" + gate] for gate in TORCH_GATES])
    return {
        "embedding.weight": torch.cat([at["emb"], at["emb"][:1], torch.zeros_like(at["emb"][:1])]),  # tokens, bos, pad
        "cores.0.weight_ih_l0": torch.cat([at["W" + gate].T for gate in TORCH_GATES]),
        "cores.0.weight_hh_l0": torch.cat([at["U" + gate].T for gate in TORCH_GATES]),
        "cores.0.bias_ih_l0": bias,
        "cores.0.bias_hh_l0": torch.zeros_like(bias),
        "output.weight": at["Wout"].T,
        "output.bias": at["bout"],
    }


class Refused(ValueError):
    """Why a weights file is not taken, in a few words for the person who gave it."""


def read_weights(path: str) -> Arrays:
    """The arrays of a weights file by :data:`NAMES`; a UserError of one line for anything else."""
    readers = {".pkl": _read_pickle, ".npz": _read_npz, ".safetensors": safetensors.numpy.load}
    try:
        file = Path(os.path.expanduser(path))
        if file.suffix not in readers:
            raise Refused(f"its ending is {file.suffix!r}, not one of {', '.join(readers)}")
        arrays = readers[file.suffix](_bytes_of(file))
        _check(arrays)
    except Refused as reason:
        raise UserError(f"Cannot use the weights {str(path)!r}: {reason}. {WANTED}.") from None
    except Exception as error:
        # Whatever damaged or hostile bytes set off in a parser, the answer is the same.
        kind = type(error).__name__
        raise UserError(
            f"Cannot use the weights {str(path)!r}: damaged, or not what its ending says ({kind}). {WANTED}."
        ) from error
    return arrays


def _bytes_of(file: Path) -> bytes:
    try:
        if not file.exists():
            raise Refused("there is no such file")
        if not file.is_file():
            raise Refused("it is a folder" if file.is_dir() else "it is not a regular file")
        with file.open("rb") as opened:
            data = opened.read(LARGEST_FILE + 1)
    except OSError as error:
        raise Refused(f"it cannot be read ({error.strerror})") from error
    if not data:
        raise Refused("the file is empty")
    if len(data) > LARGEST_FILE:
        raise Refused(f"it is larger than {LARGEST_FILE:,} bytes")
    return data


def _check(arrays: Arrays) -> None:
    """The names, types, shapes and numbers that the LSTM can be built from."""
    if set(arrays) != set(NAMES):
        missing = [name for name in NAMES if name not in arrays]
        raise Refused(f"{len(arrays)} arrays, expected {len(NAMES)}" + (f"; missing: {missing}" if missing else ""))
    for name, array in arrays.items():
        if array.dtype != np.float32:
            raise Refused(f"array {name} has type {array.dtype.name}, expected float32")
    sizes = arrays["emb"].shape + arrays["Wout"].shape
    if len(sizes) != 4 or min(sizes) < 1:
        raise Refused(f"emb has shape {arrays['emb'].shape} and Wout {arrays['Wout'].shape}, expected two matrices")
    vocab_size, embedding, hidden, _ = sizes
    expected = {"W": (embedding, hidden), "U": (hidden, hidden), "b": (hidden,)}
    exact = {"emb": (vocab_size, embedding), "Wout": (hidden, vocab_size), "bout": (vocab_size,)}
    for name, array in arrays.items():
        shape = exact.get(name) or expected[name[0]]
        if array.shape != shape:
            raise Refused(f"array {name} has shape {array.shape}, expected {shape}")
        if not np.isfinite(array).all():
            raise Refused(f"array {name} contains NaN or infinity")


def _array(shape: tuple[int, ...], raw: bytes, fortran: bool = False) -> np.ndarray:
    """float32 numbers as they lie in a file; the shape must account for every byte."""
    if any(type(size) is not int or size < 0 for size in shape) or len(shape) > 2:
        raise Refused("an array's shape makes no sense")
    if 4 * math.prod(shape) != len(raw):
        raise Refused("an array's shape does not fit its bytes")
    return np.frombuffer(raw, "<f4").reshape(shape, order="F" if fortran else "C")


def _read_npz(data: bytes) -> Arrays:
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if len(entries) > len(NAMES) or sum(entry.file_size for entry in entries) > LARGEST_FILE:
            raise Refused(f"it unpacks to more than {len(NAMES)} arrays or {LARGEST_FILE:,} bytes")
        for entry in entries:
            name = entry.filename.removesuffix(".npy")
            if name not in NAMES:
                raise Refused(f"it holds {name[:20]!r}, expected {', '.join(NAMES)}")
            with archive.open(entry) as member:
                version = np.lib.format.read_magic(member)
                header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, fortran, dtype = header[version](member)
                if dtype != np.dtype("<f4"):
                    raise Refused(f"array {name} has type {dtype.name}, expected float32")
                arrays[name] = _array(shape, member.read(), fortran)
    return arrays


def _read_pickle(data: bytes) -> Arrays:
    for number, (opcode, value, _) in enumerate(pickletools.genops(data)):
        if opcode.name not in _OPCODES:
            raise Refused(f"the pickle uses the instruction {opcode.name}, which arrays do not need")
        if number >= MOST_INSTRUCTIONS:
            raise Refused(f"the pickle has more than {MOST_INSTRUCTIONS:,} instructions")
        if opcode.name in ("PUT", "LONG_BINPUT") and value >= MOST_INSTRUCTIONS:  # a place is memory
            raise Refused(f"the pickle remembers more than {MOST_INSTRUCTIONS:,} things")
    noted = _Unpickler(io.BytesIO(data)).load()
    if not isinstance(noted, list) or len(noted) != len(NAMES):
        given = f"a list of {len(noted)}" if isinstance(noted, list) else "something else"
        raise Refused(f"the pickle holds {given}, expected a list of {len(NAMES)} arrays")
    return {name: _pickled_array(value) for name, value in zip(NAMES, noted, strict=True)}


def _pickled_array(value: object) -> np.ndarray:
    match value:
        case _Note("array", state=(1, tuple(shape), _Note("dtype") as dtype, bool(fortran), raw)):
            if isinstance(raw, _Note) and raw.name == "bytes":  # how protocols 0 to 2 write bytes
                text, encoding = raw.arguments
                raw = text.encode("latin1") if encoding == "latin1" else None
            if dtype.arguments[0] != "f4" or dtype.state[1] != "<":
                raise Refused("an array in the pickle is not float32")
            if isinstance(raw, bytes):
                return _array(shape, raw, fortran)
    raise Refused("the pickle holds something that is not an array of numbers")


class _Note:
    """What a pickle names, calls with arguments and sets the state of, written down. Nothing is called."""

    __slots__ = ("arguments", "name", "state")
    __match_args__ = ("name",)

    def __init__(self, name: str, arguments: tuple = ()):
        self.name, self.arguments, self.state = name, arguments, None

    def __call__(self, *arguments: object) -> _Note:
        return _Note(self.name, arguments)

    def __setstate__(self, state: object) -> None:
        self.state = state


# All that a pickle of arrays may mention, and what it stands for here.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "type",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "bytes",
}
# All that it is written with. No dictionaries and sets: to hash a nest of tuples may never end.
_OPCODES = {
    *("PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    *("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE", "GET", "BINGET", "LONG_BINGET"),
    *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("NONE", "NEWTRUE", "NEWFALSE", "INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2"),
    *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> _Note:
        if (module, name) not in _ALLOWED:
            raise Refused(f"the pickle asks for {f'{module}.{name}'[:60]!r}, which arrays do not need")
        return _Note(_ALLOWED[module, name])
