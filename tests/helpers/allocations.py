"""How much memory torch asks for, counted and not measured."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Allocated(TorchDispatchMode):
    """Bytes of the tensors made meanwhile: ``largest`` of one, ``most`` of all that were alive together."""

    def __init__(self):
        super().__init__()
        self.largest = self.most = self.now = 0
        self.alive = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        given = _storages((args, kwargs))
        for key, storage in _storages(found).items():
            if key not in self.alive and key not in given:
                self._count(key, storage)
        return found

    def _count(self, key, storage):
        size = storage.nbytes()
        self.alive[key] = weakref.finalize(storage, self._gone, key, size)
        self.now += size
        self.largest, self.most = max(self.largest, size), max(self.most, self.now)

    def _gone(self, key, size):
        del self.alive[key]
        self.now -= size


def _storages(tree):
    tensors = (leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))
    storages = (tensor.untyped_storage() for tensor in tensors if not tensor.is_mkldnn)  # whose storage nobody sees
    return {storage._cdata: storage for storage in storages}


def kept_bytes(make, *given):
    """What ``make(*given)`` gives, and how many bytes autograd keeps for its way back, but for leaves."""
    seen = {}

    def pack(tensor):
        if not tensor.is_leaf or not tensor.requires_grad:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        return make(*given), sum(seen.values())
