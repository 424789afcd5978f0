"""Shuffles of pixels: the declaration says all of it, what remains is a reshape and at most one transpose.

Channel shuffles are decomposed by PyTorch into views, which cost nothing between convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from torch2keras.errors import LoweringError
from torch2keras.ir import Size
from torch2keras.recorder import Tensor
from torch2keras.registry import lowering

aten = torch.ops.aten


@lowering(aten.pixel_shuffle.default, axes="... (c a b) h w -> ... c (h a) (w b)")
def pixel_shuffle(x, upscale_factor, *, shapes):
    """Blocks of channels become blocks of pixels: a renaming of axes."""
    return renamed(x, shapes[0])


@lowering(aten.pixel_unshuffle.default, axes="... c (h a) (w b) -> ... (c a b) h w")
def pixel_unshuffle(x, downscale_factor, *, shapes):
    """Blocks of pixels become blocks of channels: a renaming of axes."""
    return renamed(x, shapes[0])


def renamed(x: Tensor, shape: Sequence[Size]) -> Tensor:
    """`x`, whose axes are in place already; unless a dynamic size could not be proved divisible."""
    if len(shape) != x.ndim or any(isinstance(a, int) and a != b for a, b in zip(shape, x.shape, strict=True)):
        raise LoweringError(
            f"shuffling pixels of a tensor stored as {x.shape}, where a dynamic size would have to be divided",
            [("next", "make that dimension static: leave it out of dynamic_shapes, or give it a batch dimension")],
        )
    return x
