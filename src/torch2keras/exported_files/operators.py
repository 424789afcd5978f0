"""The operators that a program of a stranger's may call.

They are ATen's that compute tensors from tensors, the arithmetic of sizes, and what `torch.export`
puts around a block without gradients. A program may name any attribute of `torch` in their place,
`torch.hub.load` too, and PyTorch would call it.
"""

from __future__ import annotations

import re
from typing import Any

import torch

ATEN = re.compile(r"torch\.ops\.aten\.([A-Za-z_]\w*)\.([A-Za-z_]\w*)", re.ASCII)

OPENS_FILES = frozenset({"from_file"})

PRIVATE = frozenset(
    {
        "_adaptive_avg_pool2d", "_adaptive_avg_pool3d", "_assert_async", "_assert_scalar",
        "_assert_tensor_metadata", "_cdist_forward", "_embedding_bag", "_fft_c2c", "_fft_c2r",
        "_fft_r2c", "_log_softmax", "_native_batch_norm_legit", "_safe_softmax",
        "_native_batch_norm_legit_no_training", "_scaled_dot_product_flash_attention_for_cpu",
        "_softmax", "_to_copy", "_unsafe_view", "_weight_norm", "_weight_norm_interface",
    }
)  # fmt: skip
"""ATen's own that programs have in them; the others trust their callers to have checked."""

SIZES = frozenset(
    {f"_operator.{name}" for name in (
        "eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "floordiv", "mod",
        "pow", "truediv", "and_", "or_", "getitem",
    )}
    | {"math.trunc", "torch.sym_not", "torch.sym_int", "torch.sym_float", "torch.sym_ite"}
    | {"torch.sym_max", "torch.sym_min"}
)  # fmt: skip

AROUND_BLOCKS = frozenset(
    {
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
        "torch.ops.higher_order.wrap_with_autocast",
    }
)


def is_operator(target: str) -> bool:
    """Return whether a program may call what it calls so."""
    if target in SIZES or target in AROUND_BLOCKS:
        return True
    found = ATEN.fullmatch(target)
    if found is None:
        return False
    name, overload = found.groups()
    if name in OPENS_FILES or (name.startswith("_") and name not in PRIVATE):
        return False
    packet: Any = getattr(torch.ops.aten, name, None)
    overloads: list[str] = getattr(packet, "overloads", list)()
    return overload in overloads
