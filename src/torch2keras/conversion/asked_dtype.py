"""A module and its example call in the float type that a caller asks for."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Literal, get_args

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.capture.module_call import ModuleCall
from torch2keras.capture.nominal_dtype import nominal_dtype
from torch2keras.errors import InputError
from torch2keras.keras_graph.mixed_precision import POLICIES
from torch2keras.runtime.typed_errors import describe_exception

DtypeChoice = Literal[
    "float32", "float64", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16"
]
"""A type of all numbers, or a policy of Keras's: narrow layers with float32 weights."""

COMPLEX: Mapping[torch.dtype, torch.dtype] = {
    torch.float32: torch.complex64,
    torch.float64: torch.complex128,
}
"""The complex type of the same precision."""


def cast_call(
    module: nn.Module, call: ModuleCall, dtype: DtypeChoice, *, is_copy: bool = False
) -> tuple[nn.Module, ModuleCall]:
    """Return the module and the call as they are to be converted.

    For a type of all numbers they are a copy in that type, unless the module `is_copy` already; for
    a policy they stay as they are.
    Raises InputError for an unknown type, and where the module has no form in it.
    """
    known = get_args(DtypeChoice)
    if dtype not in known:
        step = " or ".join(f'dtype="{name}"' for name in known)
        raise InputError(f"no dtype is called {dtype!r}", [("next", f"use {step}")])
    if dtype in POLICIES:
        own = nominal_dtype(module, call.args, call.kwargs)
        if own != torch.float32:
            step = "convert module.float(), or leave dtype out to have the module's own type"
            name = str(own).removeprefix("torch.")
            raise InputError(
                f"{dtype} has weights of float32, and the module is {name}", [("next", step)]
            )
        return module, replace(call, notes=(*call.notes, _describe_policy(dtype)))
    wanted: torch.dtype = getattr(torch, dtype)
    try:
        own_module = module if is_copy else copy.deepcopy(module)
        cast = partial(_cast, dtype=wanted)
        # What `.to()` calls, which would refuse complex parameters.
        own_module._apply(cast)  # type: ignore[no-untyped-call]  # noqa: SLF001 - as said
    except InputError:
        raise
    except Exception as error:  # a stranger's module may raise anything
        step = f"convert module.to(torch.{dtype}), with inputs of that type, without dtype"
        raise InputError(
            f"no copy of the module can be made in {dtype}",
            [("why", describe_exception(error)), ("next", step)],
        ) from error
    args, kwargs = pytree.tree_map_only(
        torch.Tensor, lambda tensor: _cast(tensor, wanted), (call.args, call.kwargs)
    )
    note = f"All numbers are {dtype}: what was converted is a copy of the module in that type."
    return own_module, ModuleCall(args, kwargs, (*call.notes, note))


def _cast(tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor in a float type, or in its complex one; others are as they were."""
    if tensor.is_complex():
        if dtype not in COMPLEX:
            raise InputError(
                f"complex numbers have no form in {dtype}".replace("torch.", ""),
                [("next", 'use dtype="float32" or dtype="float64"')],
            )
        return tensor.to(COMPLEX[dtype])
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _describe_policy(policy: str) -> str:
    narrow = POLICIES[policy]
    told = (
        f"Layers compute in {narrow} with float32 weights ({policy}); tier N compares with the "
        f"module under torch.autocast in {narrow}."
    )
    if narrow == "float16":
        told += (
            " To train it, wrap the optimizer: keras.optimizers.LossScaleOptimizer(optimizer), "
            "or small gradients become zero."
        )
    return told
