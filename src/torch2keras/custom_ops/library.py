"""The library that holds this package's operators, `torch2keras::*`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

library = torch.library.Library("torch2keras", "FRAGMENT")  # type: ignore[no-untyped-call]


def define_op(
    schema: str, compute: Callable[..., Any], fake: Callable[..., Any]
) -> torch._ops.OpOverload:
    """Define an operator of this package.

    `schema` is its name with its arguments and results, `compute` the kernel for all devices, and
    `fake` the one that gives tensors of the results' shapes and dtypes alone, by which torch.export
    follows sizes.
    """
    name = schema.partition("(")[0]
    library.define(schema, tags=torch.Tag.pt2_compliant_tag)  # type: ignore[no-untyped-call]
    library.impl(name, compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
    torch.library.register_fake(f"torch2keras::{name}", fake, lib=library)
    op: torch._ops.OpOverload = getattr(torch.ops.torch2keras, name).default
    return op
