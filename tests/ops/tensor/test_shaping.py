"""Views, permutations, expand, repeat, roll, flip: static, and with dynamic sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from op_case import Case, check, function

W = torch.randn(6, 3, 3, generator=torch.Generator().manual_seed(0))
V = torch.randn(5, 6, 3, generator=torch.Generator().manual_seed(1))
BOTH = {"dynamic_shapes": (({0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO},),)}
ALL = {"dynamic_shapes": ((dict.fromkeys(range(4), torch.export.Dim.AUTO),),)}


def conv(x: Tensor) -> Tensor:
    return functional.conv1d(x, W)


CASES: dict[str, Case] = {
    "flatten after a convolution": function(
        lambda x: conv(x).flatten(1).relu(), (2, 3, 11), transposes=1
    ),
    "heads": function(lambda x: conv(x).view(x.shape[0], 2, 3, -1).relu(), (2, 3, 11)),
    "heads and back": function(
        lambda x: functional.conv1d(conv(x).unflatten(1, (2, 3)).relu().flatten(1, 2), V),
        (2, 3, 11),
    ),
    "unflatten of nothing": function(
        lambda x: x[..., :0].unflatten(2, (2, 0, 3)).relu(), (2, 3, 11)
    ),
    "channel shuffle": function(
        lambda x: functional.conv1d(conv(x).view(-1, 2, 3, 9).transpose(1, 2).reshape(-1, 6, 9), V),
        (2, 3, 11),
        transposes=1,
    ),
    "factors that do not nest": function(
        lambda x: conv(x).reshape(-1, 9, 6).relu(), (2, 3, 11), transposes=1
    ),
    "factors that do not nest, twice": function(
        lambda x: x.reshape(-1, 4, 3).reshape(-1, 2, 6).relu(), (2, 12)
    ),
    "unit dims": function(
        lambda x: conv(x)[:, None, :, None].squeeze(1).unsqueeze(-1).relu(), (2, 3, 11)
    ),
    "unit dims first and last": function(
        lambda x: x[None, ..., None].squeeze(0).relu(), (2, 3, 11)
    ),
    "squeeze all": function(lambda x: (x.squeeze() + 1).relu(), (2, 1, 5, 1)),
    "squeeze dims": function(lambda x: torch.squeeze(x, (1, 3)).relu(), (2, 1, 5, 1)),
    "squeeze of a longer dim": function(lambda x: x.squeeze(2).relu(), (2, 1, 5)),
    "permute": function(lambda x: conv(x).permute(2, 0, 1).relu(), (2, 3, 11)),
    "transposes": function(
        lambda x: conv(x).mT.transpose(0, 1).swapaxes(1, 2).movedim(0, -1).relu(), (2, 3, 11)
    ),
    "t": function(lambda x: x.t() @ x, (2, 3)),
    "to scalars": function(lambda x: x.sum().reshape(1, 1).reshape(()), (2, 3)),
    "view_as": function(lambda x, y: x.view_as(y) + y.reshape_as(x).view_as(y), (2, 15), (2, 3, 5)),
    "ravel": function(lambda x: x.ravel(), (2, 3)),
    "dynamic batch and length": function(
        lambda x: conv(x).reshape(x.shape[0] * 2, 3, -1).relu(), (2, 3, 11), **BOTH, transposes=3
    ),
    "dynamic, folded into the batch": function(
        lambda x: conv(x).transpose(1, 2).reshape(-1, 6).relu(), (2, 3, 11), **BOTH
    ),
    "dynamic, there and back": function(
        lambda x: conv(x).transpose(1, 2).reshape(-1, 6).reshape(x.shape[0], -1, 6).relu(),
        (2, 3, 11),
        **BOTH,
    ),
    "dynamic flatten": function(lambda x: x.flatten(1).relu(), (2, 3, 11), **BOTH),
    "frames of a length": function(
        lambda x: x[..., : x.shape[2] // 4 * 4].unflatten(2, (-1, 4)).relu(), (2, 3, 11), **BOTH
    ),
    "expand": function(lambda x: x.expand(2, 7, 11).relu(), (2, 1, 11)),
    "expand, new dims": function(lambda x: x.expand(5, -1, -1, -1).relu(), (2, 3, 11)),
    "expand after a convolution": function(
        lambda x: conv(x)[:, :1].expand(-1, 7, -1).relu(), (2, 3, 11)
    ),
    "expand to the batch": function(
        lambda x: torch.cat([W[0, :, :2].expand(x.shape[0], -1, -1), x], 2), (2, 3, 11)
    ),
    "expand to the length": function(lambda x: x[:, :, :1].expand_as(x).relu(), (2, 3, 11), **BOTH),
    "expand bools": function(
        lambda x: (x[:, :, :1] > 0).expand(-1, -1, x.shape[2]), (2, 3, 11), **BOTH
    ),
    "expand heads": function(
        lambda x: conv(x).unflatten(1, (2, 1, 3)).expand(-1, -1, 5, -1, -1).flatten(1, 3),
        (2, 3, 11),
    ),
    "broadcast_tensors": function(
        lambda x, y: torch.broadcast_tensors(x, y), (2, 3, 1), (3, 5), dynamic_shapes=None
    ),
    "meshgrid": function(lambda x: torch.meshgrid(x[0, :, 0], x[0, 0], indexing="ij"), (2, 3, 11)),
    "meshgrid xy": function(
        lambda x: torch.meshgrid(x[0, :, 0], x[0, 0], indexing="xy"), (2, 3, 11), transposes=2
    ),
    "atleast": function(lambda x: torch.atleast_3d(x.sum(), x[0], x), (2, 3)),
    "repeat": function(lambda x: conv(x).repeat(1, 2, 3), (2, 3, 11)),
    "repeat, new dims": function(lambda x: conv(x).repeat(2, 1, 1, 3), (2, 3, 11)),
    "repeat to the batch": function(
        lambda x: torch.cat([torch.arange(3.0).reshape(1, 3, 1).repeat(x.shape[0], 1, 2), x], 2),
        (2, 3, 11),
    ),
    "repeat, dynamic length": function(lambda x: x.repeat(1, 2, 3), (2, 3, 11), **BOTH),
    "tile": function(lambda x: torch.tile(x, (2, 1)), (2, 3, 11)),
    "repeat as often as the batch is long": function(
        lambda x, y: x.repeat(y.shape[0], 1, 2) + y.repeat_interleave(2, 0).repeat(1, 1, 2),
        (2, 3, 11),
        (5, 3, 11),
        dynamic_shapes=({}, {0: torch.export.Dim.AUTO}),
    ),
    "split, three dynamic dims": function(
        lambda x: x.unflatten(1, (-1, 3)).transpose(1, 2).softmax(1),
        (2, 15, 11, 7),
        **ALL,
        transposes=1,
    ),
    "join and split, three dynamic dims": function(
        lambda x: x.unflatten(1, (3, -1)).flatten(2, 3).cumsum(3).relu(), (2, 15, 6, 7), **ALL
    ),
    "repeat_interleave": function(lambda x: conv(x).repeat_interleave(3, 2), (2, 3, 11)),
    "repeat_interleave channels": function(lambda x: conv(x).repeat_interleave(2, -2), (2, 3, 11)),
    "repeat_interleave flat": function(lambda x: x.repeat_interleave(3), (2, 3)),
    "flip": function(lambda x: conv(x).flip(1, -1), (2, 3, 11)),
    "fliplr": function(lambda x: torch.fliplr(x) + torch.flipud(x), (2, 3)),
    "flip nothing": function(lambda x: x.flip(()).relu(), (2, 3)),
    "flip ints": function(lambda x: x.flip(1), lambda: torch.arange(10).reshape(2, 5)),
    "roll": function(lambda x: conv(x).roll((2, -1), (2, 1)), (2, 3, 11)),
    "roll flat": function(lambda x: x.roll(4), (2, 3)),
    "roll, dynamic length": function(lambda x: x.roll(-3, 2), (2, 3, 11), **BOTH),
    "rot90": function(lambda x: x.rot90(1, (1, 2)), (2, 3, 11)),
    "tril": function(lambda x: x.tril(1) + x.triu(-1), (2, 3, 11)),
    "tril bools": function(lambda x: (x > 0).tril(-1), (3, 5)),
    "diagonal": function(lambda x: conv(x).diagonal(1, 1, 2), (2, 3, 11), transposes=1),
    "diagonal, dims in front": function(
        lambda x: x.diagonal(-1, 1, 2).relu(), (2, 3, 5, 7), transposes=1
    ),
    "diag_embed": function(lambda x: torch.diag_embed(x, 1), (2, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_shaping(name: str) -> None:
    check(CASES[name])
