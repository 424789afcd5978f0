"""The registry checks each declaration at import.

And a user adds an op of their own in five lines.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn

import torch2keras as t2k
import torch2keras.ops
from op_case import transposes
from stages import graph_of
from torch2keras.declarations.patterns import parse_pattern
from torch2keras.declarations.registry import (
    IGNORED,
    expand_pattern,
    lowering,
    pointwise,
    registry,
)
from torch2keras.lower.recorder import ops
from torch2keras.op_facts import OpKind

aten = torch.ops.aten


# op, declaration, converter, the error and what it says
REFUSED = [
    (aten.relu.default, {}, lambda x, y: x, TypeError, r"takes \['x', 'y'\].*has \['x'\]"),
    (aten.cumsum.default, {}, lambda x, axis, dtype=None: x, TypeError, "'axis'"),
    (aten.softmax.int, {}, lambda x, dim, dtype: x, TypeError, "dtype defaults to"),
    (
        aten.leaky_relu.default,
        {},
        lambda x, negative_slope=0.3: x,
        TypeError,
        "negative_slope defaults to 0.3",
    ),
    (aten.relu.default, {"axes": "n c"}, lambda x: x, ValueError, "needs '->'"),
    (aten.relu.default, {"axes": "n (c -> n"}, lambda x: x, ValueError, "pattern"),
    (
        aten.linear.default,
        {"axes": "... i, o i -> ... o"},
        lambda x, weight, bias=None: x,
        ValueError,
        "2 operand terms",
    ),
    (
        aten.relu.default,
        {"torch": "n c -> n c", "keras": "n c, x -> n c"},
        lambda x: x,
        ValueError,
        "2 operand terms",
    ),
    (aten.relu.default, {"equation": True}, lambda x, *, context: x, TypeError, "needs axes="),
    (aten.relu.default, {"axes": "...", "equation": True}, lambda x: x, TypeError, "'context'"),
]


# op, declaration, converter that asks for a name that is not there, what the error says
MISSPELT = [
    (
        aten.relu.default,
        {"axes": "n chan l -> n chan l"},
        lambda x, *, chann: x,
        r"asks for \['chann'\].*names \['chan', 'l', 'n'\]: aten.relu",
    ),
    (aten.relu.default, {"axes": "n c *s -> n c *s"}, lambda x, *, n, t: x, r"asks for \['t'\]"),
    (aten.relu.default, {"axes": "n c s0 -> n c s0"}, lambda x, *, s1: x, r"asks for \['s1'\]"),
    (aten.relu.default, {"axes": "n c -> n c"}, lambda x, *, d=(): x, r"asks for \['d'\]"),
    (aten.relu.default, {}, lambda x, *, c: x, "an op without a declaration"),
    (
        aten.relu.default,
        {"torch": "n c -> n c", "keras": "n d -> n d"},
        lambda x, *, d: x,
        r"asks for \['d'\]",
    ),
]
REFUSED += [(op, declared, convert, TypeError, says) for op, declared, convert, says in MISSPELT]


@pytest.mark.parametrize(("op", "declared", "convert", "kind", "says"), REFUSED)
def test_a_wrong_declaration_fails_at_import(op, declared, convert, kind, says) -> None:
    before = dict(registry.lowerings)
    with pytest.raises(kind, match=says):
        lowering(op, **declared)(convert)
    assert registry.lowerings == before


# op, a row of a table, what the error says
REFUSED_ROWS = [
    (aten.relu.default, ops.add, r"add\(x1, x2\) does not fit aten.relu.*missing.*'x2'"),
    (aten.add.Tensor, ops.add, "does not fit aten.add.Tensor: too many positional arguments"),
    (aten.pow.Tensor_Tensor, lambda x: x, "does not fit aten.pow.Tensor_Tensor: too many"),
    (
        aten.leaky_relu.default,
        ops.leaky_relu,
        "leaky_relu: negative_slope defaults to 0.2, .* to 0.01",
    ),
    (aten.celu.default, lambda x, alpha: x, "alpha defaults to"),
    (aten.relu.default, lambda x, *, c: x, "missing a required .*'c'"),
    (aten.threshold.default, lambda x, value, threshold: x, r"takes \['x', 'value', 'threshold'\]"),
    (aten.relu.default, lambda *tensors: tensors, r"takes \['tensors'\]"),
]


@pytest.mark.parametrize(("op", "convert", "says"), REFUSED_ROWS)
def test_a_wrong_row_fails_at_import(op, convert, says) -> None:
    before = dict(registry.lowerings)
    with pytest.raises(TypeError, match=says):
        pointwise({op: convert})
    assert registry.lowerings == before


def test_a_row_may_have_more_than_an_overload_needs(weighted_op) -> None:
    def weighted(x, scale=2.0, offset=0.0):
        """Shared."""
        return x

    pointwise({weighted_op: weighted})
    assert registry.lowerings[weighted_op].summary == "Shared."


def test_arguments_about_memory_are_left_out() -> None:
    schema = [a.name for a in aten.empty_like.default._schema.arguments]
    assert set(schema) & set(IGNORED) == {"layout", "device", "pin_memory", "memory_format"}


# function, shapes, declaration, the terms of its operands
EXPANDED = [
    (lambda x, w: torch.nn.functional.linear(x, w), [(2, 3), (5, 3)], "... i, o i, o -> ... o", 2),
    (lambda *x: torch.cat(x, 1), [(2, 3), (2, 5), (2, 7)], "... [dim'] -> ... [dim']", 3),
    (lambda x: x.split([1, 2], 1), [(2, 3)], "... [dim'] -> ... [dim']", 1),
]


@pytest.mark.parametrize(("function", "shapes", "text", "operands"), EXPANDED)
def test_one_term_for_each_tensor_that_is_there(function, shapes, text, operands) -> None:
    node = graph_of(function, *shapes).nodes[0]
    pattern = expand_pattern(parse_pattern(text), node)
    assert (len(pattern.operands), len(pattern.results)) == (operands, len(node.outputs))


@torch.library.custom_op("t2k_tests::weighted", mutates_args=())
def weighted_channels(x: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
    """A user's own operator: channel c of (n, c, l) times c + 1."""
    return scale * x * torch.arange(1, x.shape[1] + 1, dtype=x.dtype)[:, None]


weighted_channels.register_fake(lambda x, scale=2.0: torch.empty_like(x))


@pytest.fixture
def weighted_op() -> Iterator[torch._ops.OpOverload]:
    op = torch.ops.t2k_tests.weighted.default
    yield op
    registry.lowerings.pop(op, None)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(3, 5, 3), nn.Conv1d(5, 7, 3)

    def forward(self, x):
        return self.last(torch.ops.t2k_tests.weighted(self.first(x)))


X = torch.randn(2, 3, 11)


def test_a_users_own_op_in_five_lines(weighted_op) -> None:
    with pytest.raises(t2k.UnsupportedOpError, match=r"t2k_tests.weighted(.|\n)*@t2k.lowering"):
        t2k.convert(Net(), (X,))

    @t2k.lowering(weighted_op, axes="n c' l -> n c' l")
    def weighted(x, scale=2.0, *, c):
        return (
            scale
            * x
            * ops.reshape(ops.arange(1, 6, dtype="float32"), [5 if d == c else 1 for d in range(3)])
        )

    converted = t2k.convert(Net(), (X,))
    assert transposes(converted) == 0
    assert converted.verification is not None
    assert converted.verification.ok


def test_without_a_declaration_it_is_pinned_and_correct(weighted_op) -> None:
    @t2k.lowering(weighted_op)
    def weighted(x, scale=2.0):
        assert x.shape[1] == 5  # PyTorch's order: (n, c, l)
        return scale * x * ops.reshape(ops.arange(1, 6, dtype="float32"), (1, 5, 1))

    converted = t2k.convert(Net(), (X,))
    assert transposes(converted) == 2
    assert converted.verification is not None
    assert converted.verification.ok


def test_a_wrong_result_shape_is_refused(weighted_op) -> None:
    @t2k.lowering(weighted_op, axes="...")
    def weighted(x, scale=2.0):
        return ops.concatenate([x, x], axis=1)

    with pytest.raises(t2k.LoweringError, match=r"t2k_tests.weighted.default gives"):
        t2k.convert(Net(), (X,))


def test_operands_that_fit_no_declaration_are_refused_where_a_kernel_wants_an_order(
    weighted_op,
) -> None:
    @t2k.lowering(weighted_op, torch="n c h w -> n c h w", keras="n h w c -> n h w c")
    def weighted(x, scale=2.0):
        return x

    with pytest.raises(t2k.LoweringError, match="cannot be matched with the op's declaration"):
        t2k.convert(Net(), (X,))


def channel_weights(x, scale, axis):
    """The numbers of the channels along `axis` of `x`, times a factor."""
    shape = [size if d == axis else 1 for d, size in enumerate(x.shape)]
    return scale * x * ops.reshape(ops.arange(1, 6, dtype="float32"), shape)


@pytest.mark.parametrize("declared", ["n c' l -> n c' l", lambda _args: "n c' l -> n c' l"])
def test_a_name_that_is_there_is_its_stored_position(weighted_op, declared) -> None:
    @lowering(weighted_op, axes=declared)
    def weighted(x, scale=2.0, *, c=None):
        return channel_weights(x, scale, c)

    assert t2k.convert(Net(), (X,)).verification.ok


def test_a_name_that_a_function_does_not_declare_is_refused_when_it_lowers(weighted_op) -> None:
    @lowering(weighted_op, axes=lambda _args: "n chan' l -> n chan' l")
    def weighted(x, scale=2.0, *, chann):
        return channel_weights(x, scale, chann)

    with pytest.raises(t2k.LoweringError, match=r"asks for axes .* lacks here: chann") as error:
        t2k.convert(Net(), (X,))
    assert ("declared", "n chan' l -> n chan' l") in error.value.rows


def test_operands_without_the_named_axes_are_refused(weighted_op) -> None:
    @lowering(weighted_op, axes="n c' h w -> n c' h w")
    def weighted(x, scale=2.0, *, c):
        return channel_weights(x, scale, c)

    with pytest.raises(t2k.LoweringError, match=r"asks for axes .* lacks here: c"):
        t2k.convert(Net(), (X,))


def test_a_name_that_may_be_absent_has_a_default(weighted_op) -> None:
    @lowering(weighted_op, axes=lambda _args: "n d' l -> n d' l")
    def weighted(x, scale=2.0, *, c=None, d):
        assert c is None
        return channel_weights(x, scale, d)

    assert t2k.convert(Net(), (X,)).verification.ok


# op, what it does that needs no converter
STRUCTURES = [
    (aten.flatten.using_ints, OpKind.REGROUPS),
    (aten.transpose.int, OpKind.PERMUTES),
    (aten.clone.default, OpKind.COPIES),
    (aten.view_as.default, None),  # its second tensor would be an operand without axes
    (aten.flip.default, None),
    (aten.relu.default, None),
]


@pytest.mark.parametrize(("op", "structure"), STRUCTURES)
def test_ops_that_only_rename_axes_need_no_converter(op, structure) -> None:
    assert registry.structure_of(op) is structure
    if structure:
        assert op in registry
        assert op in list(registry)
        assert op not in registry.lowerings
