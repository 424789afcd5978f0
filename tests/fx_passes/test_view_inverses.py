from __future__ import annotations

import pytest
import torch
from torch import fx

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import fake_mode_of
from torch2keras.fx_passes.view_inverses import View, invert_permutation, write_through_view

aten = torch.ops.aten
X = torch.arange(105.0).reshape(3, 5, 7)


def written(whole, op, *args, index=None, **kwargs):
    """What a graph and what PyTorch make of `whole` when its view gets new values."""
    viewed = op(whole, *args, **kwargs)
    parts = () if index is None else viewed
    value = viewed if index is None else viewed[index]
    new = -1 - torch.arange(value.numel()).reshape(value.shape).to(whole.dtype)
    graph = fx.Graph()
    mode = fake_mode_of(graph)
    nodes = [graph.placeholder("whole"), graph.placeholder("part")]
    for node, tensor in zip(nodes, (whole, new), strict=True):
        node.meta["val"] = mode.from_tensor(tensor)
    origin = fx.Graph().call_function(op, ())
    view = View(origin, op, (nodes[0], *args), kwargs, value, whole, parts, index or 0)
    graph.output(write_through_view(graph, mode, view, *nodes))
    ours = fx.GraphModule({}, graph)(whole.clone(), new)
    theirs = whole.clone()
    target = op(theirs, *args, **kwargs)
    (target if index is None else target[index]).copy_(new)
    return ours, theirs


VIEWS = [
    (aten.permute.default, ([2, 0, 1],), {}),
    (aten.transpose.int, (0, -1), {}),
    (aten.movedim.int, (0, 2), {}),
    (aten.mH.default, (), {}),
    (aten.view.default, ([15, 7],), {}),
    (aten.flatten.using_ints, (1,), {}),
    (aten.unsqueeze.default, (1,), {}),
    (aten.expand.default, ([3, 5, 7],), {}),
    (aten.expand.default, ([1, 3, 5, 7],), {}),
    (aten.slice.Tensor, (1, 1, 4), {}),
    (aten.slice.Tensor, (2, None, None), {"step": 3}),
    (aten.slice.Tensor, (-1, -3, -1), {}),
    (aten.narrow.default, (2, 1, 3), {}),
    (aten.narrow.default, (2, -3, 3), {}),
    (aten.narrow.default, (2, -3, 2), {}),
    (aten.select.int, (1, -2), {}),
    (aten.diagonal.default, (), {}),
    (aten.diagonal.default, (1,), {"dim1": 1, "dim2": 2}),
    (aten.split.Tensor, (2, 1), {"index": 1}),
    (aten.split.Tensor, (2, 1), {"index": 2}),
    (aten.split_with_sizes.default, ([1, 4, 2],), {"dim": -1, "index": 1}),
    (aten.chunk.default, (3, 2), {"index": 2}),
    (aten.tensor_split.indices, ([2, 3], 1), {"index": 1}),
    (aten.unbind.int, (2,), {"index": 4}),
    (aten.unbind.int, (), {"index": 1}),
]


@pytest.mark.parametrize(("op", "args", "options"), VIEWS, ids=lambda value: str(value)[:24])
def test_a_write_to_a_view_reaches_the_whole(op, args, options):
    ours, theirs = written(X, op, *args, **options)
    assert torch.equal(ours, theirs)


REFUSED = [
    (X[:1], aten.expand.default, ([2, 5, 7],)),
    (X, aten.unfold.default, (2, 2, 1)),
    (X, aten.as_strided.default, ([3, 5], [35, 7])),
    (X, aten.view.dtype, (torch.int32,)),
    (X + 1j, aten.mH.default, ()),
]


@pytest.mark.parametrize(("whole", "op", "args"), REFUSED, ids=lambda value: str(value)[:24])
def test_a_view_without_inverse_is_refused(whole, op, args):
    with pytest.raises(UnsupportedOpError, match=r"write through .* cannot be made functional"):
        written(whole, op, *args)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1], [1, 2, 0], [2, 1, 0]], ids=str)
def test_the_inverse_of_a_permutation_undoes_it(order):
    origin = fx.Graph().call_function(aten.permute.default, ())
    view = View(origin, aten.permute.default, (X, order), {}, X.permute(order), X)
    assert torch.equal(X.permute(order).permute(invert_permutation(view, 3)), X)
