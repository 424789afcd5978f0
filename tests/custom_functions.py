"""Custom functions of all kinds of backward."""

from __future__ import annotations

import torch
from torch.autograd import Function


class Reversal(Function):
    @staticmethod
    def forward(ctx, x, alpha):
        ctx.alpha = alpha
        return x.view_as(x)

    @staticmethod
    def backward(ctx, g):
        return -ctx.alpha * g, None


class Rounding(Function):
    """Straight through, in the newer way of writing it."""

    @staticmethod
    def forward(x):
        return x.round()

    @staticmethod
    def setup_context(ctx, inputs, output):
        pass

    @staticmethod
    def backward(ctx, g):
        return g


class Sign(Function):
    """Straight through where the input is small."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.sign()

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return torch.where(x.abs() > 1, torch.zeros_like(g), g)


class Swish(Function):
    """A formula of its own for the true derivative."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        with torch.no_grad():
            return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return g * s * (1 + x * (1 - s))


class TwoSlopes(Function):
    """Another slope for each of two inputs, and none for the third."""

    @staticmethod
    def forward(ctx, x, y, z):
        return x * y + z

    @staticmethod
    def backward(ctx, g):
        return 0.5 * g, 2 * g, None


class Clipped(Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, g):
        return g.clamp(-2, 2)


class Smoothed(Function):
    """A gradient that spreads to neighbours."""

    @staticmethod
    def forward(ctx, x):
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return g + g.roll(1, -1)


class Single(Function):
    """Refuses to be measured in float64."""

    @staticmethod
    def forward(ctx, x):
        assert x.dtype == torch.float32
        return x * 1

    @staticmethod
    def backward(ctx, g):
        return -g


class Doubled(Reversal):
    """Inherits forward."""

    @staticmethod
    def backward(ctx, g):
        return 2 * g, None


class InPlace(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return -g


def x_of(*shape):
    return torch.randn(*(shape or (3, 5)), generator=torch.Generator().manual_seed(1))
