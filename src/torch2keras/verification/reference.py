"""What the PyTorch module itself says: in its own type, and in float64.

Both runs leave everything as it was: training flags, attributes, parameters, buffers, random state,
grad mode. Packed sequences are padded in full, as the model pads them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._C import DisableTorchFunction
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves, tree_map

from torch2keras.capture.nominal_dtype import nominal_dtype
from torch2keras.custom_ops.recurrent import pad_packed_in_full
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.journal import Journal, put_back
from torch2keras.verification.float64_torch import Shadowing, float64_arithmetic


def run(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
) -> list[np.ndarray]:
    """Return the tensors that `module(*args, **kwargs)` gives, flat, as arrays.

    It runs in eval mode without gradients. The tensors come in the order of
    `torch.utils._pytree.tree_flatten`; leaves that are no tensors are left out. bfloat16 comes as
    float32, which holds it exactly. Random numbers start from `seed`. Raises what the module
    raises, and
    `InputError` when a parameter has no value yet (a lazy module).
    """
    journal = Journal()
    with (
        isolate_module(module, seed=seed),
        torch.no_grad(),
        pad_packed_in_full(module),
        put_back(journal),
    ):
        with journal:
            outputs = module(*clone_tensors(tuple(args)), **clone_tensors(dict(kwargs or {})))
        return as_arrays(outputs)


def run_mixed(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    dtype: str,
) -> list[np.ndarray]:
    """Return what `run` does under PyTorch's own mixed precision, with floats as float32.

    Where PyTorch has no kernel for that (an LSTM in float16 on a processor) it is what `run` gives.
    """
    try:
        with torch.autocast("cpu", getattr(torch, dtype)):
            arrays = run(module, args, kwargs)
    except RuntimeError:
        arrays = run(module, args, kwargs)
    floats = []
    for array in arrays:
        is_narrow = array.dtype.kind == "f" and array.dtype.itemsize < 4
        floats.append(array.astype(np.float32) if is_narrow else array)
    return floats


def run64(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    shadowing: Shadowing | None = None,
) -> list[np.ndarray]:
    """Return what `run` does, computed in float64.

    Weights and inputs are cast up exactly, and nothing in between is rounded but by `shadowing`.

    A type that the module asks for (`x.float()`, `softmax(..., dtype=torch.float32)`, autocast) is
    widened as well. Floating outputs are float64 arrays.
    """
    nominal = nominal_dtype(module, args, kwargs)
    # The fused CPU kernel for attention has approximations of its own; the plain formula has none.
    with (
        isolate_module(module, seed=seed),
        torch.no_grad(),
        pad_packed_in_full(module),
        sdpa_kernel(SDPBackend.MATH),
        float64_arithmetic(nominal, shadowing) as widen,
    ):
        # Real float64 inputs, not shadows: they may be asked for gradients or be written to.
        inputs, named = clone_tensors(tree_map(widen, (tuple(args), dict(kwargs or {}))))
        outputs = module(*inputs, **named)
        with DisableTorchFunction():
            return as_arrays(tree_map(widen, outputs))


def clone_tensors(tree: Any) -> Any:
    """Return nested arguments with every tensor cloned, apart from the graph of gradients."""
    return tree_map(
        lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, tree
    )


def as_arrays(outputs: Any) -> list[np.ndarray]:
    """Return copies of the tensors among nested outputs as arrays, flat; the rest is left out.

    An array or number of NumPy is a tensor in an exported graph, and here too.
    """
    arrays = []
    for leaf in tree_leaves(outputs):
        if isinstance(leaf, torch.Tensor):
            arrays.append(np.array(to_numpy(leaf)))
        elif isinstance(leaf, np.ndarray | np.generic):
            arrays.append(np.array(leaf))
    return arrays
