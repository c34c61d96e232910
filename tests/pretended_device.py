"""A GPU to test on where there is none: tensors that say they are on cuda:0 and compute on the CPU.

What a GPU refuses fails here too, with its message, and what makes the CPU wait for it is counted.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
# Where torch's C++ side takes the tensors to be: no real tensor is there, it needs no driver, and
# gradients are computed in the thread that asks for them.
META = torch.device("meta")

# Operators whose result has a value or a size that the CPU must know.
WAITING = {
    "aten::_local_scalar_dense": "item",
    "aten::nonzero": "nonzero",
    "aten::masked_select": "mask",
    "aten::_unique2": "unique",
    "aten::unique_dim": "unique",
    "aten::unique_consecutive": "unique",
    "aten::equal": "equal",
    "aten::bincount": "bincount",
    "aten::repeat_interleave": "repeat_interleave",
    "torchvision::nms": "nms",
}
INDEXING = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")
# Functions that make a tensor of data: on META they would forget it.
OF_DATA = (torch.tensor, torch.as_tensor, torch.asarray, Tensor.new_tensor)
COMPOSITE = "CompositeImplicitAutograd"


@contextlib.contextmanager
def pretended_device() -> Iterator[Counter]:
    """Within it this thread can use "cuda", whether there is a GPU or not.

    Not provided for: most of torch.cuda, and functions of torch that are written in Python and make
    tensors on a device that they name.

    Yields:
        How often the CPU has waited for the GPU, by the reason: "item" (also of bool() and
        float()), "nonzero", "mask" (indexing with one), "nms", "to cpu", "to cuda" and so on.
        Copies that are non_blocking do not count. Who wants to count anew clears it.
    """
    waits = Counter()
    operators = _Operators(waits)
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    # Module.to() makes new parameters: the data of the old ones can't change their class.
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        # Eight: a GPU that knows bfloat16.
        with (
            patch("torch.cuda.get_device_capability", lambda *_: (8, 0)),
            patch("torch.cuda.device_count", lambda: 1),
            operators,
            _Functions(),
        ):
            yield waits
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(overwrites)


class CudaTensor(Tensor):
    """Says that it is on :data:`CUDA`; ``data_on_cpu`` is what it computes with."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device = property(lambda self: CUDA)
    is_cuda = property(lambda self: True)
    is_cpu = is_meta = property(lambda self: False)

    @staticmethod
    def __new__(cls, data: Tensor) -> CudaTensor:
        with torch.inference_mode(False):  # made in it, views of tensors that are not would fail
            self = Tensor._make_wrapper_subclass(
                cls,
                data.size(),
                strides=data.stride(),
                storage_offset=data.storage_offset(),
                dtype=data.dtype,
                device=META,
            )
        self.data_on_cpu = data
        return self

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise RuntimeError(f"{func} of a pretended GPU outside of pretended_device()")

    def __reduce_ex__(self, protocol):
        """A file gets what torch.load(map_location="cpu") would make of one with CUDA tensors."""
        return self.data_on_cpu.__reduce_ex__(protocol)

    def __repr__(self, **_) -> str:
        return f"CudaTensor({self.data_on_cpu!r})"

    def get_device(self) -> int:
        return CUDA.index


class _Functions(TorchFunctionMode):
    """What torch decides before it comes to operators: devices by name, data, numpy."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.device:
            return func(*args, **(kwargs or {}))
        args = tuple(_on_meta(x) for x in args)
        kwargs = {name: _on_meta(x) for name, x in (kwargs or {}).items()}
        cuda = args[0] if args and isinstance(args[0], CudaTensor) else None
        if func is Tensor.cuda:
            return args[0].to(META, non_blocking=kwargs.get("non_blocking", False))
        if func is Tensor.pin_memory:
            if cuda is not None:
                kind = cuda.data_on_cpu.type().replace("torch.", "torch.cuda.")
                raise RuntimeError(f"cannot pin '{kind}' only dense CPU tensors can be pinned")
            return args[0].clone()
        if func in (Tensor.numpy, Tensor.__array__) and cuda is not None:
            raise TypeError(
                f"can't convert {CUDA} device type tensor to numpy. Use Tensor.cpu() to copy the "
                "tensor to host memory first."
            )
        if func is Tensor.tolist and cuda is not None:
            return cuda.cpu().tolist()
        if func is Tensor.new_tensor and cuda is not None:
            func, args = torch.tensor, args[1:]
            kwargs = {"dtype": cuda.dtype, "device": META, **kwargs}
        if func in OF_DATA and not isinstance(args[-1], Tensor):
            device = kwargs.pop("device", CPU)
            return func(*args, **kwargs).to(device)
        if func in (Tensor.__getitem__, Tensor.__setitem__) and cuda is not None:
            args = (cuda, _index(args[1]), *args[2:])
        return func(*args, **kwargs)


class _Operators(TorchDispatchMode):
    """Runs each operator on the CPU, after a look at where its tensors pretend to be."""

    def __init__(self, waits: Counter):
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), COMPOSITE):
            with self:  # consists of other operators; inference mode leaves it whole
                return func._op_dk(getattr(torch._C.DispatchKey, COMPOSITE), *args, **kwargs)

        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        cuda = [t for t in tensors if isinstance(t, CudaTensor)]
        assert all(t.is_cuda or t.device == CPU for t in tensors), f"{func}: data is lost"
        name, device = func._schema.name, kwargs.get("device")
        to_cuda = bool(cuda) if device is None else device != CPU
        if name == "aten::copy_":
            to_cuda = args[0].is_cuda
        elif cuda and len(cuda) < len(tensors):
            _check_devices(func, args, tensors)
        if to_cuda and kwargs.get("generator") is not None:
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        if cuda or to_cuda:
            self._count(name, args, kwargs, to_cuda)

        if cuda and torch.Tag.inplace_view in func.tags:  # as unsqueeze_(): the shell changes too
            with torch._C._DisableTorchDispatch():
                func(*args, **kwargs)
        shells = {id(t.data_on_cpu): t for t in cuda}
        args, kwargs = tree_map_only(CudaTensor, lambda t: t.data_on_cpu, (args, kwargs))
        if device is not None:
            kwargs["device"] = CPU
        result = func(*args, **kwargs)
        assert all(t.shape == t.data_on_cpu.shape for t in cuda), f"{func}: not provided for"
        if not to_cuda:
            return result

        def shell(t: Tensor) -> CudaTensor:
            return shells[id(t)] if id(t) in shells else CudaTensor(t)  # in place, or new

        return tree_map_only(Tensor, shell, result)

    def _count(self, name: str, args: tuple, kwargs: dict, to_cuda: bool) -> None:
        if name in ("aten::_to_copy", "aten::copy_"):
            source, non_blocking = args[0], kwargs.get("non_blocking")
            if name == "aten::copy_":
                _, source, *non_blocking = args
            if source.is_cuda != to_cuda and non_blocking not in (True, [True]):
                self.waits["to cuda" if to_cuda else "to cpu"] += 1
        elif name in INDEXING:
            for index in args[1]:
                if index is not None and not index.is_cuda:
                    self.waits["to cuda"] += 1
                elif index is not None and index.dtype in (torch.bool, torch.uint8):
                    # One value is filled in without asking where the mask is true.
                    self.waits["mask"] += name == "aten::index" or args[2].numel() != 1
        elif name in WAITING and kwargs.get("output_size") is None:
            self.waits[WAITING[name]] += 1


def _check_devices(func, args: tuple, tensors: list[Tensor]) -> None:
    """Refuse what a GPU refuses of tensors on both devices."""
    name = func._schema.name
    if name in INDEXING:
        if not args[0].is_cuda and any(i is not None and i.is_cuda for i in args[1]):
            raise RuntimeError(
                "indices should be either on cpu or on the same device as the indexed tensor (cpu)"
            )
        tensors = [args[0], *args[2:3]]  # a tensor on the GPU takes indices from anywhere
    changed = func._schema.arguments[0].alias_info
    scalars = name in (*INDEXING, "aten::fill_") or torch.Tag.pointwise in func.tags
    if changed is not None and changed.is_write:
        scalars &= args[0].is_cuda
    if any(not t.is_cuda and (t.dim() > 0 or not scalars) for t in tensors):
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{CUDA} and {CPU}! ({func})"
        )


def _on_meta(x):
    """An argument; META if it is a CUDA device or its name."""
    named = isinstance(x, str) and x.partition(":")[0] == "cuda"
    return META if named or (isinstance(x, torch.device) and x.type == "cuda") else x


def _index(index):
    """Lists and arrays in an index as tensors on the GPU, where torch puts them."""
    if isinstance(index, (list, np.ndarray)):
        return torch.as_tensor(index).to(META)
    return tuple(map(_index, index)) if isinstance(index, tuple) else index
