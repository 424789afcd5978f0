"""Ops that only rename axes, for which there is nothing to lower; and those that stretch, repeat or shift dimensions."""

from __future__ import annotations

import torch

from torch2keras.registry import lowering, registry
from torch2keras.sizes import grow

aten = torch.ops.aten

registry.views |= {
    aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.flatten.using_ints, aten.unflatten.int,
    aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims, aten.unsqueeze.default, aten.view_as.default,
    aten.reshape_as.default,
}  # fmt: skip
registry.permutes |= {
    aten.permute.default, aten.transpose.int, aten.t.default, aten.numpy_T.default, aten.mT.default,
    aten.movedim.int, aten.movedim.intlist, aten.swapaxes.default, aten.swapdims.default, aten.moveaxis.int,
    aten.moveaxis.intlist,
}  # fmt: skip
registry.aliases |= {
    aten.alias.default, aten.clone.default, aten.contiguous.default, aten.detach.default, aten.lift_fresh_copy.default,
    aten.positive.default,
}  # fmt: skip


@lowering(aten.expand.default, axes="...")
def expand(x, size, implicit=False, *, shapes):
    """`keras.ops.broadcast_to`; a product with ones of a dynamic size."""
    return grow(x, shapes[0])
