"""A state becomes bytes and comes back equal to the last bit; bytes that were made by hand are refused."""

import collections
import hashlib
import json
import math
import pathlib

import pytest
import safetensors.torch
import torch

from tests.helpers.lives import same
from textgan_lit.errors import UserError
from textgan_lit.run import packing
from textgan_lit.run.packing import MOST, unpacked
from textgan_lit.run.packing import packed as pieces

NAMED = collections.namedtuple("NAMED", "first second")
ODD = {
    "state_dict": {
        "generator.weight": torch.randn(3, 4).t(),  # not contiguous
        "generator.scale": torch.tensor(2.5, dtype=torch.float64),
        "generator.none": torch.zeros(0, 3),
        "generator.half": torch.tensor([1.5, math.nan, -math.inf, -0.0], dtype=torch.bfloat16),
        "losses.generator._extra_state": {"kept": {"mask": torch.tensor([True, False])}, "used": 3},
    },
    "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}, 7: {}}, "param_groups": [{"betas": (0.9, 0.99)}]}],
    "callbacks": {"Mine": {"a/b": [None, True, 1, 2**80, -0.0, 5e-324, math.inf, [], {}, (), "\x1b[2J", "世界"]}},
    "tags": {"$": "tensor", "of": {"$": 1}, 3: "three"},
    "text": 'a "sha256":"' + "0" * 64 + '" in a text',
}


def packed(state):
    return b"".join(pieces(state))


def test_what_is_packed_comes_back_bit_for_bit():
    found = unpacked(packed(ODD))
    same(found, ODD)
    assert math.copysign(1, found["callbacks"]["Mine"]["a/b"][4]) == -1  # which == does not see
    half = ("state_dict", "generator.half")
    assert found[half[0]][half[1]].view(torch.int16).equal(ODD[half[0]][half[1]].view(torch.int16))
    assert list(found) == list(ODD)


def test_weights_have_their_own_names_and_whoever_reads_safetensors_has_them(tmp_path):
    path = tmp_path / "best.ckpt"
    path.write_bytes(packed(ODD))
    found = safetensors.torch.load_file(path)
    assert found["generator.weight"].equal(ODD["state_dict"]["generator.weight"])
    assert found["optimizer_states/0/state/0/step"] == 3.0


def test_every_tensor_lies_at_a_multiple_of_its_size():
    """So that whoever maps the file into memory may read it where it lies."""
    content = packed(ODD)
    end = 8 + int.from_bytes(content[:8], "little")
    head = json.loads(content[8:end])
    size = {"F64": 8, "F32": 4, "BF16": 2, "BOOL": 1}
    assert end % 8 == 0
    for name in head.keys() - {"__metadata__"}:
        assert head[name]["data_offsets"][0] % size[head[name]["dtype"]] == 0


def test_two_tensors_of_one_name_are_refused():
    with pytest.raises(UserError, match=r"a\.1: another tensor has that name"):
        packed({"a": {1: torch.ones(1), "1": torch.ones(1)}})


def test_tensors_that_share_numbers_are_written_each_by_itself():
    table = torch.arange(6.0)
    same(unpacked(packed({"a": table, "b": table, "c": table[2:], "d": table[:1].expand(4)}))["c"], table[2:].clone())


def test_weights_that_are_equal_are_written_once_and_come_back_each():
    """A reference's and the best of pretraining; but an optimizer may change its own where they lie."""
    weight = torch.randn(1000)
    moments = [{"state": {number: {"exp_avg": weight.clone()} for number in (0, 1)}}]
    players = {f"{name}.weight": weight.clone() for name in ("generator", "average.generator", "losses.reference")}
    state = {"state_dict": {**players, "generator.other": weight.clone()}, "optimizer_states": moments}
    state["textgan_lit"] = {"pretraining": {"weight": weight.clone(), "bias": weight[:999].clone()}}
    content = packed(state)
    kept = safetensors.torch.load(content)
    assert kept.keys() == {
        *("generator.weight", "generator.other", "textgan_lit/pretraining/bias"),
        *(f"optimizer_states/0/state/{number}/exp_avg" for number in (0, 1)),
    }
    found = unpacked(content)
    same(found, state)
    assert list(found["state_dict"]) == list(state["state_dict"])
    one, other = (found["optimizer_states"][0]["state"][number]["exp_avg"] for number in (0, 1))
    assert one.data_ptr() != other.data_ptr()


def test_numbers_that_only_compare_as_equal_are_written_each():
    state = {"state_dict": {"a": torch.tensor([0.0]), "b": torch.tensor([-0.0]), "c": torch.tensor([0])}}
    found = unpacked(packed(state))["state_dict"]
    assert math.copysign(1, found["b"]) == -1
    assert found["c"].dtype is torch.int64


def test_named_tuples_and_counters_are_their_plain_forms():
    found = unpacked(packed({"a": NAMED(1, 2), "b": collections.Counter("aab")}))
    assert found == {"a": (1, 2), "b": {"a": 2, "b": 1}}
    assert type(found["a"]) is tuple


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        pathlib.Path("a"),
        object,
        b"a",
        {1.5: 2},
        {True: 1},
        torch.ones(2).to_sparse(),
        "\ud800",
        torch.zeros(1).cfloat(),
    ],
)
def test_what_has_no_form_is_refused_by_its_place(value):
    with pytest.raises(UserError, match=r"callbacks\.Mine\.a=.* cannot be saved\. .* give those"):
        packed({"callbacks": {"Mine": {"a": value}}})


def forged(tree, tensors=None, **more):
    """Bytes with a right digest, whatever ``tree`` says."""
    metadata = {"textgan_lit": tree, "sha256": "0" * 64, **more}
    content = safetensors.torch.save(tensors or {"x": torch.ones(1)}, metadata)
    return content.replace(b'"sha256":"' + b"0" * 64, b'"sha256":"' + hashlib.sha256(content).hexdigest().encode())


def test_a_forgery_may_be_well_made():
    assert unpacked(forged('{"x": {"$": "tensor"}}')) == {"x": torch.ones(1)}


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        ("{}", "tensors that are no part of the state"),
        ('{"y": {"$": "tensor"}}', "y"),
        ('{"x": [{"$": "tensor"}, 1]}', "x/0"),
        ('{"x": {"$": "code"}}', "unknown kind"),
        ('{"x": {"$": []}}', "unknown kind"),
        ('{"x": {"$": "dict", "of": [[1.5, 2]]}}', "a key that is none"),
        ('{"x": {"$": "dict", "of": [[true, 2]]}}', "a key that is none"),
        ('{"x": {"$": "tuple"}}', "'of'"),
        ('{"x": {"$": "float", "of": "one"}}', "could not convert"),
        (json.dumps("\ud800"), "a text that is none"),
        ("[" * 42 + "]" * 42, "nested too deep"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
        ("[" + "1," * MOST + "1]", "more values than any state"),
        ("{", "Expecting"),
        ("9" * 10_000, "digits"),
    ],
)
def test_a_tree_that_none_of_ours_is_like_is_refused(tree, said):
    with pytest.raises((ValueError, KeyError, RecursionError), match=said):
        unpacked(forged(tree))


@pytest.mark.parametrize(
    ("same", "said"),
    [
        ('{"x": "x"}', "two tensors of one name"),
        ('{"y": "z"}', "z"),
        ('{"y": "y"}', "y"),
        ('{"y": ["x"]}', "unhashable"),
        ("[]", "keys"),
        ("{", "Expecting"),
        ("[" * 100_000 + "]" * 100_000, "recursion"),
    ],
)
def test_an_equal_tensor_that_is_not_there_is_refused(same, said):
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError, RecursionError), match=said):
        unpacked(forged('{"x": {"$": "tensor"}}', same=same))


def test_a_short_file_of_many_equal_tensors_takes_no_more_memory():
    tree = json.dumps({name: {"$": "tensor"} for name in ("x", *map(str, range(100)))})
    found = unpacked(forged(tree, same=json.dumps(dict.fromkeys(map(str, range(100)), "x"))))
    assert {tensor.data_ptr() for tensor in found.values()} == {found["x"].data_ptr()}


def test_commas_are_counted_however_the_metadata_spells_them(monkeypatch):
    monkeypatch.setattr(packing, "MOST", 50)
    tree = "[" + "\\u002c".join("1" * 100) + "]"
    head = f'{{"__metadata__":{{"sha256":"{"0" * 64}","textgan_lit":"{tree}"}}}}'.encode()
    content = len(head).to_bytes(8, "little") + head
    content = content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode())
    with pytest.raises(ValueError, match="more values than any state"):
        unpacked(content)


def test_a_file_that_is_nearly_all_metadata_is_not_read(monkeypatch, tmp_path):
    (path := tmp_path / "file").write_bytes(packed({"a": torch.ones(1)}))
    monkeypatch.setattr(packing, "LONGEST", 100)
    with path.open("rb") as file, pytest.raises(ValueError, match="does not begin as one"):
        packing.whole(file, path.stat().st_size)


@pytest.mark.parametrize("length", [0, 7, 8, 100])
def test_bytes_that_hold_nothing_are_refused(length):
    with pytest.raises(ValueError, match="no digest"):
        unpacked(bytes(length))


def test_no_bit_can_be_altered():
    content = packed({"a": torch.arange(3.0), "b": "token"})
    for place in range(8 * len(content)):
        altered = bytearray(content)
        altered[place // 8] ^= 1 << place % 8
        with pytest.raises(ValueError, match=r"no digest|not those that were written"):
            unpacked(bytes(altered))
