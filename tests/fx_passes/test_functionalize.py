from __future__ import annotations

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, targets, tripled
from torch2keras.capture.export import capture
from torch2keras.fx_passes.functionalize import functionalize, with_alias_info

N, C, L = 2, 3, 7


def x_ncl():
    return torch.linspace(-2, 2, N * C * L).reshape(N, C, L)


def relu_chain(x):
    y = x * 2
    return y.relu_().add_(1).mul_(3), y


def select_assigned(x):
    y = x * 2
    y[:, 0] = 1
    return y


def slice_added(x):
    y = x * 2
    y[:, ::2] += x[:, :2]
    return y


def negative_slice(x):
    y = x * 2
    y[..., -3:-1] *= 5
    return y


def view_then_add(x):
    y = x * 2
    v = y.view(-1, C * L)
    v.add_(1)
    return y, v


def transpose_then_mul(x):
    y = x * 2
    t = y.transpose(1, 2)
    t.mul_(torch.arange(C))
    return y, t, y.view(-1)


def clone_of_a_view_after_a_write(x):
    y = x * 2
    t = y.transpose(1, 2)
    y.mul_(3)
    kept = t.clone()
    y.add_(1)
    return kept, t.clone().add_(2), t


def shuffle_of_single_channels(x):
    """A copy in PyTorch, while its decomposition is a view."""
    y = x * 2
    shuffled = torch.channel_shuffle(y, C)
    y.mul_(3)
    return shuffled, y


def crop_beside_a_shuffle(x):
    y = x * 2
    shuffled = torch.channel_shuffle(y, 1)
    y.mul_(3)
    return torch.nn.functional.pad(y.permute(1, 2, 0), (1, -1)), shuffled


def chunks_written(x):
    y = x * 2
    with torch.no_grad():
        first, second = y.chunk(2, 1)
        first.add_(1)
        second.mul_(first[:, :1])
    return y, first, second


def splits_written(x):
    y = x * 2
    with torch.no_grad():
        parts = y.split([2, 4, 1], 2)
        parts[1].fill_(9)
        parts[2].copy_(parts[0][..., :1])
    return y, parts[0], parts[1]


def unbind_written(x):
    y = x * 2
    with torch.no_grad():
        first, _, last = y.unbind(1)
        last.add_(first)
        first.zero_()
    return y, last


def alias_used_after_write(x):
    y = x * 2
    seen = y[:, 1]
    before = seen * 1
    y.add_(10)
    return before, seen, seen + y[:, 1]


def masked_fill_in_place(x):
    y = x * 2
    y.masked_fill_(x > 0, -1.5)
    return y


def copy_broadcast_and_cast(x):
    y = x * 2
    y[:, 1].copy_(torch.arange(L, dtype=torch.int64))
    return y


def copy_to_integers(x):
    y = torch.zeros_like(x, dtype=torch.int32)
    y.copy_(x * 3.7)
    return y


def index_put_mask(x):
    y = x * 2
    y[x < 0] = 4.0
    return y


def index_put_list(x):
    y = x * 2
    y[:, [0, 2]] = x[:, [2, 1]]
    return y


def nested_views(x):
    y = x * 2
    y.transpose(0, 2)[1:5].unsqueeze(0)[0, :, 1] -= 3
    return y


def augmented(x):
    y = x * 2
    z = y
    y += x
    z *= 2
    y **= 2
    return y, z


def clamped(x):
    y = x * 2
    y[:, :, 1:].clamp_(-1, 1)
    return y.clamp_(max=0.5)


def input_written(x):
    x.mul_(2)
    x[:, 0] += 1
    return x + 1


def under_no_grad(x):
    y = x * 2
    with torch.no_grad():
        y.relu_()
        y[:, :1].zero_()
    return y + 1


def reshaped_in_place(x):
    y = x * 2
    y.unsqueeze_(1)
    y[:, 0, 1] = 5
    y.squeeze_(1).transpose_(1, 2)
    y.add_(torch.arange(C))
    return y


def flattened_copy(x):
    y = x * 2
    flat = y.transpose(1, 2).reshape(-1)  # a copy: the write does not reach y
    flat.add_(1)
    return y, flat


def contiguous_alias(x):
    y = x * 2
    same = y.contiguous()  # no copy: the write reaches y
    same.add_(1)
    other = y.transpose(1, 2).contiguous()
    other.mul_(0)
    return y, other


def dropout_alias(x):
    y = x * 2
    z = nn.functional.dropout(y, 0.5, training=False)
    z += 1
    return y, z


def bool_in_place(x):
    mask = x > 1
    mask |= x < -1
    mask &= x != 2
    mask.logical_not_()
    return mask


def diagonal_filled(x):
    y = torch.matmul(x.transpose(1, 2), x)
    y.diagonal(0, 1, 2).fill_(2.5)
    return y


def narrow_written(x):
    y = x * 2
    y.narrow(2, 1, 3).add_(1)
    y.narrow(2, -2, 2).mul_(3)
    return y


def movedim_and_flatten(x):
    y = x * 2
    y.movedim(2, 1).permute(2, 0, 1)[0] += 1
    y.flatten(1)[:, 3:9] = 0
    y.unflatten(2, (7, 1))[..., 0] -= 1
    return y


def scatter_in_place(x):
    y = x * 2
    y.scatter_(2, torch.zeros(x.shape[0], C, 1, dtype=torch.int64), 8.0)
    y.index_add_(1, torch.tensor([0, 2]), x[:, :2])
    return y.pow_(2).floor_()


def lower_dtype(x):
    y = (x * 2).to(torch.bfloat16)
    y += x
    y.mul_(x)
    return y


def fresh_constant(x):
    table = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    table[2:4] *= 10
    return x + table


def output_is_old_view(x):
    y = x * 2
    first = y[:, 0]
    rest = y[:, 1:]
    rest.neg_()
    y.add_(1)
    return first, rest


CASES = [
    relu_chain, select_assigned, slice_added, negative_slice, view_then_add, transpose_then_mul,
    chunks_written, clone_of_a_view_after_a_write, splits_written, unbind_written,
    alias_used_after_write, masked_fill_in_place, copy_broadcast_and_cast, copy_to_integers,
    index_put_mask, index_put_list, nested_views, augmented, clamped, input_written,
    under_no_grad, reshaped_in_place, flattened_copy, contiguous_alias, dropout_alias,
    bool_in_place, diagonal_filled, narrow_written, movedim_and_flatten, scatter_in_place,
    lower_dtype, fresh_constant, output_is_old_view, shuffle_of_single_channels,
    crop_beside_a_shuffle,
]  # fmt: skip


@pytest.mark.parametrize("function", CASES, ids=lambda function: function.__name__)
def test_functional_graph_gives_the_modules_numbers(function):
    module, args = Calls(function), (x_ncl(),)
    captured = capture(module, args)
    assert not _writes(captured.graph_module)
    assert_same(captured, module, args)
    assert captured.program.range_constraints, "the batch stays dynamic"
    assert_same(captured, module, tripled(args))
    _assert_values_are_known(captured)


def _assert_values_are_known(captured):
    for node in captured.graph_module.graph.nodes:
        if node.op == "call_function":
            assert node.meta["val"] is not None
            assert node.meta["nn_module_stack"]
    found = [node.meta["val"] for node in _output(captured.graph_module)]
    wanted = [node.meta["val"] for node in _output(captured.program.graph_module)]
    assert [(value.dtype, str(tuple(value.shape))) for value in found] == [
        (value.dtype, str(tuple(value.shape))) for value in wanted
    ]


def test_given_graph_is_not_changed():
    captured = capture(Calls(view_then_add), (x_ncl(),))
    before = captured.program.graph_module.code
    functionalize(captured.program.graph_module, captured.program.graph_signature.input_specs)
    assert captured.program.graph_module.code == before


def test_alias_info_is_recomputed_where_it_is_lost():
    module, args = Calls(nested_views), (x_ncl(),)
    captured = capture(module, args)
    program = captured.program.graph_module
    for node in program.graph.nodes:
        if isinstance(node.meta.get("val"), torch.Tensor):
            node.meta["val"] = node.meta["val"].clone()
    assert with_alias_info(program) is not program
    graph, _ = functionalize(program, captured.program.graph_signature.input_specs)
    assert_same(captured, module, args, graph=graph)


def test_whole_ops_stay_whole():
    module = nn.Sequential(
        nn.Conv1d(C, 5, 3), nn.BatchNorm1d(5), nn.ReLU(inplace=True), nn.Dropout(0.5, inplace=True)
    )
    assert targets(capture(module, (x_ncl(),)).graph_module) == [
        "conv1d.default", "batch_norm.default", "relu.default", "dropout.default",
    ]  # fmt: skip


def test_written_input_is_noted():
    assert any(
        "writes to its input" in note for note in capture(Calls(input_written), (x_ncl(),)).notes
    )


def _writes(graph_module):
    nodes = graph_module.graph.nodes
    return [node for node in nodes if node.op == "call_function" and _is_mutable(node.target)]


def _is_mutable(target):
    return isinstance(target, torch._ops.OpOverload) and target._schema.is_mutable


def _output(graph_module):
    return next(node for node in graph_module.graph.nodes if node.op == "output").args[0]
