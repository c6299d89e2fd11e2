"""The oracle that SeqGAN published: every number of its benchmark is measured against these weights.

Weights files are untrusted bytes. A pickle is a program, so it is never run: :func:`_describe` reads the few
instructions that a list of arrays needs, and calls nothing. Sizes are checked before memory is taken.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import zipfile
from itertools import islice
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

    The published weights have 5,000 words, embedding and hidden 32; at ``length`` 20 their entropy is 5.75 ± 0.02
    nats per word. Words are named by their number. Sentences start from word 0, so bos has its embedding.
    """

    def __init__(self, weights: str, length: Length = 20):
        arrays = read_weights(weights)
        words = len(arrays["emb"])
        super().__init__(Vocab(tuple(str(word) for word in range(words))), length)
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
        "embedding.weight": torch.cat([at["emb"], at["emb"][:1], torch.zeros_like(at["emb"][:1])]),  # words, bos, pad
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
    words, embedding, hidden, _ = sizes
    expected = {"W": (embedding, hidden), "U": (hidden, hidden), "b": (hidden,)}
    exact = {"emb": (words, embedding), "Wout": (hidden, words), "bout": (words,)}
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
    described = _describe(data)
    if not isinstance(described, list) or len(described) != len(NAMES):
        given = f"a list of {len(described)}" if isinstance(described, list) else "something else"
        raise Refused(f"the pickle holds {given}, expected a list of {len(NAMES)} arrays")
    return {name: _pickled_array(value) for name, value in zip(NAMES, described, strict=True)}


def _pickled_array(value: object) -> np.ndarray:
    match value:
        case _Call("array", state=(1, tuple(shape), _Call("dtype") as dtype, bool(fortran), raw)):
            if isinstance(raw, _Call) and raw.name == "bytes":  # how protocols 0 to 2 write bytes
                text, encoding = raw.arguments
                raw = text.encode("latin1") if encoding == "latin1" else None
            if dtype.arguments[0] != "f4" or dtype.state[1] != "<":
                raise Refused("an array in the pickle is not float32")
            if isinstance(raw, bytes):
                return _array(shape, raw, fortran)
    raise Refused("the pickle holds something that is not an array of numbers")


class _Call:
    """What a pickle asks to be called, and the state to be set on the result. Nothing is called."""

    __match_args__ = ("name",)

    def __init__(self, name: str, arguments: object):
        self.name, self.arguments, self.state = name, arguments, None


# All that a pickle of arrays may mention, and what it stands for here.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"): "array",
    ("numpy._core.multiarray", "_reconstruct"): "array",
    ("numpy", "ndarray"): "type",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "bytes",
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_VALUES = {"INT", "LONG", "LONG1", "BININT", "BININT1", "BININT2"}
_VALUES |= {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"}
_MARK = object()


def _describe(data: bytes) -> object:
    """What a pickle would build, with a :class:`_Call` wherever it would call something.

    Python's pickle machine cut down to the instructions that lists of arrays are written with. Any other
    instruction, and any name outside the allow-list, is refused.
    """
    stack: list = []
    memo: dict[int, object] = {}
    for opcode, value, _ in islice(pickletools.genops(data), MOST_INSTRUCTIONS):
        match opcode.name:
            case "STOP":
                return stack.pop()
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                memo[value] = stack[-1]
            case "MEMOIZE":
                memo[len(memo)] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(memo[value])
            case name:
                _obey(name, value, stack)
    raise Refused(f"the pickle has more than {MOST_INSTRUCTIONS:,} instructions")


def _obey(instruction: str, value: object, stack: list) -> None:
    """One instruction that touches the stack alone."""
    match instruction:
        case "PROTO" | "FRAME":
            pass
        case name if name in _VALUES:
            stack.append(value)
        case name if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        case "MARK":
            stack.append(_MARK)
        case "EMPTY_LIST":
            stack.append([])
        case "LIST":
            stack.append(_pop_to_mark(stack))
        case "APPEND" | "APPENDS" as name:
            items = _pop(stack, 1) if name == "APPEND" else _pop_to_mark(stack)
            _top(stack, list).extend(items)
        case "TUPLE":
            stack.append(tuple(_pop_to_mark(stack)))
        case "TUPLE1" | "TUPLE2" | "TUPLE3" as name:
            stack.append(tuple(_pop(stack, int(name[-1]))))
        case "GLOBAL":
            stack.append(_allowed(*value.split(" ", 1)))
        case "STACK_GLOBAL":
            stack.append(_allowed(*_pop(stack, 2)))
        case "REDUCE":
            stack.append(_Call(*_pop(stack, 2)))
        case "BUILD":
            (state,) = _pop(stack, 1)
            _top(stack, _Call).state = state
        case name:
            raise Refused(f"the pickle uses the instruction {name}, which arrays do not need")


def _allowed(module: object, name: object) -> str:
    if not (isinstance(module, str) and isinstance(name, str)):  # hashing or printing a nest of tuples may never end
        raise Refused("the pickle is broken")
    if (module, name) not in _ALLOWED:
        raise Refused(f"the pickle asks for {f'{module}.{name}'[:60]!r}, which arrays do not need")
    return _ALLOWED[module, name]


def _pop(stack: list, number: int) -> list:
    """The last ``number`` things on the stack, in the order in which they were put there."""
    taken = stack[-number:]
    del stack[-number:]
    if len(taken) < number:
        raise Refused("the pickle is broken")
    return taken


def _pop_to_mark(stack: list) -> list:
    marks = [position for position, thing in enumerate(stack) if thing is _MARK]
    taken = _pop(stack, len(stack) - marks[-1])
    return taken[1:]


def _top(stack: list, kind: type) -> object:
    if not stack or not isinstance(stack[-1], kind):
        raise Refused("the pickle is broken")
    return stack[-1]
