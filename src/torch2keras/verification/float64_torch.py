"""Running PyTorch code in float64 without changing it, its parameters or its buffers.

A tensor that exists in a narrower type is *data*: it is read through a float64 shadow, cast up
exactly. Every computation, and every factory such as `torch.hann_window`, is done in float64,
whatever `dtype=` it asks for.

Two interception points are needed. `Shadowing` sits below autograd and sees every kernel, those of
TorchScript and of composite operators too. `_Naming` sits above and sees what no kernel sees: the
question `x.dtype`, which is answered with the type that the code was written for, so that
`torch.finfo(x.dtype).eps` is the same number as in the run that is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch._C import DisableTorchFunction
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

from torch2keras.custom_ops.grouped_products import multiply_groups
from torch2keras.runtime.journal import LARGE, Journal, has_storage, memory_key, whole_storage
from torch2keras.runtime.mapped_memory import release_tensors
from torch2keras.workarounds.triton_import import load_exporter

WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
"""The type in which data of a narrower type is read and computed with."""


_aten = torch.ops.aten

_Key = tuple[int, torch.dtype]
"""Which memory a shadow stands for, and the type it is read as."""

MOST_SHADOWS = 2**27
"""Bytes of large shadows that are kept, for what reads a weight again."""


# Arguments whose default is a property of the input's type: (position, name, field of torch.finfo).
# In float64 that default would be another number than in the run that is judged.
_TYPED_DEFAULTS: dict[Any, tuple[tuple[int, str, str], ...]] = {
    **dict.fromkeys(
        (torch.nn.functional.rms_norm, torch.rms_norm, _aten.rms_norm.default), ((3, "eps", "eps"),)
    ),
    **dict.fromkeys(
        (
            *(torch.nan_to_num, torch.Tensor.nan_to_num, _aten.nan_to_num.default),
            *(torch.nan_to_num_, torch.Tensor.nan_to_num_, _aten.nan_to_num_.default),
        ),
        ((2, "posinf", "max"), (3, "neginf", "min")),
    ),
}


# Functions that run some twenty kernels for each step of a sequence.
_LOOPS = (torch.lstm, torch.gru, torch.rnn_tanh, torch.rnn_relu)


# Functions that read some rows of a table, which is not to be widened as a whole for them.
_LOOK_UPS = (torch.nn.functional.embedding, torch.embedding)


def _hardsigmoid(x: torch.Tensor, inplace: bool = False) -> torch.Tensor:  # noqa: FBT001, FBT002
    """Return relu6(x + 3) / 6, whose gradient is 1/6 in float64 too.

    That of PyTorch's own is `1.0f / 6.0f`, 3e-8 off (torch 2.14,
    aten/src/ATen/native/cpu/Activation.cpp).
    """
    result = torch.nn.functional.relu6(x + 3) / 6
    return x.copy_(result) if inplace else result


# Functions that have no float64, or not all of it, and what gives the same there.
_WITHOUT_FLOAT64 = {
    torch._grouped_mm: multiply_groups,  # noqa: SLF001 - what F.grouped_mm calls
    torch.nn.functional.hardsigmoid: _hardsigmoid,
    torch._C._nn.hardsigmoid: _hardsigmoid,  # noqa: SLF001
}


_DTYPE_GETTER = torch.Tensor.dtype.__get__  # type: ignore[attr-defined]

_DATA_SETTER = torch.Tensor.data.__set__  # type: ignore[attr-defined]


def _is_plain(tensor: torch.Tensor) -> bool:
    """Whether size, stride and offset alone say how `tensor` reads its storage."""
    return tensor.layout == torch.strided and not tensor.is_conj() and not tensor.is_neg()


class Shadowing(Journal):  # type: ignore[no-untyped-call]
    """Runs each kernel on float64 shadows of its narrower arguments.

    Each type that it asks for is widened. Tensors that share memory share a shadow, so that a write
    through one view is seen through the others, within this mode. The narrower tensors themselves
    are never written to.
    """

    def __init__(self) -> None:
        super().__init__()
        self._shadows: dict[_Key, tuple[torch.UntypedStorage, torch.Tensor]] = {}
        self._large: dict[_Key, int] = {}
        """The bytes of the shadows that may be made anew, the oldest first."""
        self._written: set[int] = set()
        self.gives_numpy = False
        """Whether a tensor was read as an array: NumPy keeps the types that the code writes."""

    def widen(self, value: Any) -> Any:
        """A narrow tensor's shadow, a narrow type's wider one, anything else as it is."""
        if isinstance(value, torch.dtype):
            return WIDE.get(value, value)
        if not isinstance(value, torch.Tensor):
            return value
        with DisableTorchFunction():
            if value.dtype not in WIDE:
                return value
            with _disable_current_modes(), torch.no_grad():
                return self._shadow(value)

    def _shadow(self, tensor: torch.Tensor) -> torch.Tensor:
        wide = WIDE[tensor.dtype]
        if not _is_plain(tensor):
            return tensor.resolve_conj().resolve_neg().to(wide)
        key = (memory_key(tensor), tensor.dtype)
        if key not in self._shadows:
            whole = whole_storage(tensor)
            size = whole.numel() * wide.itemsize
            if size >= LARGE:
                self._drop_shadows(size)
            shadow = whole.to(wide)
            release_tensors([tensor])
            if size >= LARGE:
                self._large[key] = size
            # The storage is kept alive, so that its address cannot come to mean another tensor.
            self._shadows[key] = (tensor.untyped_storage(), shadow)
            self._allocated.add(memory_key(shadow))
        _, shadow = self._shadows[key]
        return shadow.as_strided(tensor.size(), tensor.stride(), tensor.storage_offset())

    def _drop_shadows(self, coming: int) -> None:
        """Make room for a large shadow: a float64 copy of all weights is more than both models.

        What was written to, or what a view or the graph of gradients still reads, stays.
        """
        excess = sum(self._large.values()) + coming - MOST_SHADOWS
        for key, size in list(self._large.items()):
            if excess <= 0:
                return
            storage = self._shadows[key][1].untyped_storage()
            address = storage._cdata  # noqa: SLF001 - as memory_key has it
            readers = torch._C._storage_Use_Count(address)  # noqa: SLF001 - no other way says it
            if address not in self._written and readers <= 2:  # the shadow itself, and `storage`
                del self._shadows[key], self._large[key]
                self._allocated.discard(address)
                excess -= size

    def _keep(self, tensor: torch.Tensor) -> None:
        if has_storage(tensor):
            self._written.add(memory_key(tensor))
        super()._keep(tensor)

    def _call(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func is _aten.embedding.default:
            args = self._look_up_first(args)
        args, kwargs = tree_map(self.widen, (args, kwargs))
        with _default_dtype(torch.float64):
            return tree_map(self.widen, super()._call(func, args, kwargs))

    def _look_up_first(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of an embedding with the rows that are read in place of its table.

        Of a large table a shadow would be made for a few of them. A table that has a shadow may
        have been written to, and gradients belong to the table.
        """
        table, places, *rest = args
        is_wide = table.dtype not in WIDE or (memory_key(table), table.dtype) in self._shadows
        if is_wide or table.nbytes < LARGE or torch.is_grad_enabled():
            return args
        rows, numbers = torch.unique(places, return_inverse=True)
        read = table.index_select(0, rows)
        release_tensors([table])
        return (read, numbers, *rest)

    def at_once(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Run a function of float64 tensors without looking at each of its kernels.

        The function writes to none of the tensors.
        """
        with _disable_current_modes():
            result = func(*args, **kwargs)
        self._allocated |= {memory_key(leaf) for leaf in tree_leaves(result) if has_storage(leaf)}
        return result


class _Naming(TorchFunctionMode):
    """Answers `x.dtype` with `nominal` for a float64 tensor.

    It also fills in the defaults that depend on the type.
    """

    def __init__(self, nominal: torch.dtype, shadowing: Shadowing) -> None:
        super().__init__()
        self._shadowing = shadowing
        self._nominal = nominal
        complex_name = nominal.to_complex()
        self._names = {
            torch.float64: nominal,
            **dict.fromkeys([WIDE.get(complex_name, complex_name)], complex_name),
        }

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.Tensor.numpy, torch.Tensor.__array__):
            self._shadowing.gives_numpy = True
        if getattr(func, "__name__", "") == "__get__":
            answer = func(*args, **kwargs)
            return self._names.get(answer, answer) if func == _DTYPE_GETTER else answer
        if func is torch.Tensor.new_tensor and kwargs.get("dtype") is None:
            kwargs = {**kwargs, "dtype": self._names.get(args[0].dtype, args[0].dtype)}
        for position, name, field in _TYPED_DEFAULTS.get(func, ()) if _hashable(func) else ():
            if len(args) <= position and kwargs.get(name) is None:
                kwargs = {**kwargs, name: getattr(torch.finfo(self._nominal), field)}
            elif len(args) > position and args[position] is None:
                args = (
                    *args[:position],
                    getattr(torch.finfo(self._nominal), field),
                    *args[position + 1 :],
                )
        # Composite operators compare types before any kernel runs, so their tensors are widened
        # here already.
        given = args
        if not _hashable(func) or func not in _LOOK_UPS:
            args, kwargs = tree_map(self._as_shadow, (args, kwargs))
        if func == _DATA_SETTER and args[0].shape == args[1].shape:
            # A shadow is found by the memory that it stands for, and keeps to its own.
            with torch.no_grad():
                args[0].detach().copy_(args[1])
            return None
        if func in _LOOPS:
            return self._shadowing.at_once(func, args, kwargs)
        if _hashable(func):
            func = _WITHOUT_FLOAT64.get(func, func)
        result = func(*args, **kwargs)
        if args and result is args[0]:  # `self.weight *= 2` puts it back into its module
            return given[0]
        return result

    def _as_shadow(self, value: Any) -> Any:
        return self._shadowing.widen(value) if isinstance(value, torch.Tensor) else value


def _hashable(func: Callable[..., Any]) -> bool:
    return getattr(type(func), "__hash__", None) is not None


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def float64_arithmetic(
    nominal: torch.dtype = torch.float32, shadowing: Shadowing | None = None
) -> Iterator[Callable[[Any], Any]]:
    """Let PyTorch compute in float64 what is written in `nominal`.

    Yields the function that widens a tensor.
    `nominal` is what `x.dtype` answers for a float64 tensor. Tensors from outside are left as they
    are, also when
    the code writes to them: read such a tensor through the yielded function to see what was
    written. Results are float64 (complex128) tensors; integers and bools are as ever. `shadowing`
    is how each kernel runs, when not plainly in float64; it serves once.
    """
    load_exporter()  # the first tree of tensors that is walked loads it in any case
    shadowing = shadowing or Shadowing()
    try:
        with shadowing, _Naming(nominal, shadowing):
            yield shadowing.widen
    finally:
        shadowing.undo()
