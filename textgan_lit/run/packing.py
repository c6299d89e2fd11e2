"""A state as the bytes of one safetensors file, and back: equal to the last bit, and nothing in it that could be run.

Every tensor has a name in the file, that of a weight its own (``generator.output.weight``), that of any other its path
(``optimizer_states/0/state/3/exp_avg``), so that whoever reads safetensors has the weights. What else a state holds is
JSON under ``textgan_lit`` in the file's metadata, beside a digest of the whole file. A weight that equals another one,
as those of a reference often do, is in the file once: ``same`` says whose it is.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from textgan_lit.errors import UserError, shown

UNKNOWN = "0" * 64  # stands in the digest's place while the digest is taken
DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')  # not of a text in the JSON, where quotation marks are escaped
DEEPEST = 40  # dicts and lists within each other
LONGEST = 2**28  # bytes before the numbers
MOST = 5_000_000  # brackets and commas before the numbers: a short file must not become much memory
TAG = "$"  # the key of what JSON has no form for
FLOATS = {torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}
INTEGERS = {torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8"}
CODES = {**FLOATS, **INTEGERS, torch.bool: "BOOL"}
PRETRAINED = "textgan_lit/pretraining/"  # how the names of likelihood's best weights begin


def packed(state: Mapping[str, Any]) -> list[bytes | np.ndarray]:
    """The safetensors file that a state becomes, in pieces: the tensors' own bytes, of which no copy is made.

    Raises:
        UserError: at a value that is neither a tensor nor plain, with its place.
    """
    tensors: dict[str, Tensor] = {}
    tree, same = _compact(_folded(state, (), tensors)), _compact(_once(tensors))
    head, end = {"__metadata__": {"sha256": UNKNOWN, "textgan_lit": tree, "same": same}}, 0
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # each at a multiple of its size
    for name in order:
        start, end = end, end + tensors[name].nbytes
        shape = list(tensors[name].shape)
        head[name] = {"dtype": CODES[tensors[name].dtype], "shape": shape, "data_offsets": [start, end]}
    text = _compact(head).encode()
    text += b" " * (-len(text) % 8)
    pieces = [len(text).to_bytes(8, "little") + text]
    pieces += [_bytes(tensors[name]) for name in order]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    start, end = DIGEST.search(pieces[0]).span(1)
    pieces[0] = pieces[0][:start] + digest.hexdigest().encode() + pieces[0][end:]
    return pieces


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _bytes(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()


def _once(tensors: dict[str, Tensor]) -> dict[str, str]:
    """Takes out each weight that equals one before it, and says which; the generator's own all stay.

    Weights are copied by whoever takes up a state. Others, an optimizer's for example, may be changed where they lie,
    and are written each by itself.
    """
    first: dict[tuple[Any, ...], str] = {}
    same = {}
    for name in [name for name in tensors if "/" not in name or name.startswith(PRETRAINED)]:
        numbers = hashlib.sha256(_bytes(tensors[name])).digest()
        equal = first.setdefault((tensors[name].dtype, tensors[name].shape, numbers), name)
        if equal != name and not name.startswith("generator."):
            same[name] = equal
            del tensors[name]
    return same


def whole(file: BinaryIO, size: int) -> bytes:
    """All ``size`` bytes of such a file; its beginning alone where the rest is not as long as that says.

    Raises:
        ValueError, KeyError, …: as :func:`unpacked`, which looks at all the rest.
    """
    length = int.from_bytes(file.read(8), "little")
    if length > min(size, LONGEST):
        raise ValueError("it does not begin as one")
    head = _parsed(file.read(length))
    end = max((entry["data_offsets"][1] for name, entry in head.items() if name != "__metadata__"), default=0)
    if 8 + length + end != size:
        raise ValueError("it is not as long as it says")
    file.seek(0)
    return file.read(size)


def _parsed(text: bytes) -> Any:
    if sum(map(text.count, (b"{", b"[", b","))) > MOST:
        raise ValueError("it has more values than any state")
    return json.loads(text)


def unpacked(content: bytes) -> Any:
    """The state that such a file holds.

    Raises:
        ValueError, KeyError, …: it holds none, or not as it was written.
    """
    size = int.from_bytes(content[:8], "little")
    head = content[8 : 8 + size]
    digest = DIGEST.search(head)
    if digest is None:
        raise ValueError("it has no digest")
    seen = hashlib.sha256(content[: 8 + digest.start(1)])
    seen.update(UNKNOWN.encode())
    seen.update(memoryview(content)[8 + digest.end(1) :])
    if seen.hexdigest().encode() != digest[1]:
        raise ValueError("its bytes are not those that were written")
    tree = _parsed(_parsed(head)["__metadata__"]["textgan_lit"].encode())  # where \u005b may have hidden a bracket
    same = _parsed(_parsed(head)["__metadata__"].get("same", "{}").encode())
    tensors = safetensors.torch.load(content)
    if same.keys() & tensors.keys():
        raise ValueError("it has two tensors of one name")
    tensors |= {name: tensors[equal] for name, equal in same.items()}
    state = _unfolded(tree, (), tensors)
    if tensors:
        raise ValueError("it has tensors that are no part of the state")
    return state


def _name(place: tuple[str, ...]) -> str:
    return "/".join(place[1:] if place[0] == "state_dict" else place)


def _folded(value: Any, place: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON; its tensors are put into ``tensors`` by their names."""
    if isinstance(value, Tensor) and value.layout is torch.strided and value.dtype in CODES:
        if _name(place) in tensors:
            raise UserError(f"{'.'.join(place)}: another tensor has that name. Give it one of its own.")
        tensors[_name(place)] = value
        return {TAG: "tensor"}
    if value is None or isinstance(value, bool | int) or (isinstance(value, str) and _is_text(value)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {TAG: "float", "of": repr(value)}
    if isinstance(value, list | tuple):
        of = [_folded(one, (*place, str(number)), tensors) for number, one in enumerate(value)]
        return of if isinstance(value, list) else {TAG: "tuple", "of": of}
    if isinstance(value, Mapping) and all(isinstance(key, str) and key != TAG for key in value):
        return {key: _folded(one, (*place, str(key)), tensors) for key, one in value.items()}
    if isinstance(value, Mapping) and all(type(key) in (int, str) for key in value):
        return {TAG: "dict", "of": [[key, _folded(one, (*place, str(key)), tensors)] for key, one in value.items()]}
    raise UserError(
        f"{'.'.join(place)}={shown(value)} cannot be saved. A state is made of tensors, numbers, words, lists and "
        "dicts: give those."
    )


def _unfolded(value: Any, place: tuple[str, ...], tensors: dict[str, Tensor]) -> Any:
    """What :func:`_folded` made ``value`` of; its tensors are taken out of ``tensors``."""
    if len(place) > DEEPEST:
        raise ValueError("it is nested too deep")
    if isinstance(value, str) and not _is_text(value):
        raise ValueError("it has a text that is none")
    if isinstance(value, list):
        return [_unfolded(one, (*place, str(number)), tensors) for number, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    match value.get(TAG):
        case None:
            return {_key(key): _unfolded(one, (*place, str(key)), tensors) for key, one in value.items()}
        case "tensor":
            return tensors.pop(_name(place))
        case "float":
            return float(value["of"])
        case "tuple":
            return tuple(_unfolded(one, (*place, str(number)), tensors) for number, one in enumerate(value["of"]))
        case "dict":
            return {_key(key): _unfolded(one, (*place, str(key)), tensors) for key, one in value["of"]}
    raise ValueError("it has a value of an unknown kind")


def _key(key: Any) -> int | str:
    if type(key) is int or (isinstance(key, str) and _is_text(key)):
        return key
    raise ValueError("it has a key that is none")


def _is_text(value: str) -> bool:
    """Whether ``value`` can be written: half a surrogate pair cannot."""
    return value.isascii() or value.encode(errors="ignore").decode() == value
