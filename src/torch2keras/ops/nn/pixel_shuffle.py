"""Shuffles of pixels: the declaration says all of it.

What remains is a reshape and at most one transpose. Dimensions of size one, as of a single channel,
are no axes: they come and go. Channel shuffles are decomposed by PyTorch into views, which cost
nothing between convolutions.
"""

from __future__ import annotations

import torch

from torch2keras.declarations.registry import lowering
from torch2keras.lower.rearrange import reshape_units

aten = torch.ops.aten


@lowering(aten.pixel_shuffle.default, axes="... (c a b) h w -> ... c (h a) (w b)")
def pixel_shuffle(x, upscale_factor, *, context):
    """Blocks of channels become blocks of pixels: a renaming of axes."""
    return reshape_units(x, x.shape, context.shapes[0])


@lowering(aten.pixel_unshuffle.default, axes="... c (h a) (w b) -> ... (c a b) h w")
def pixel_unshuffle(x, downscale_factor, *, context):
    """Blocks of pixels become blocks of channels: a renaming of axes."""
    return reshape_units(x, x.shape, context.shapes[0])
