"""Rewrite a graph with complex values into one with real ones.

Each complex value becomes a pair, its real and its imaginary part. An op on complex numbers is
replaced by the real ops that its rule makes (complex_rules.py); ops without a rule are decomposed
first, where PyTorch can. A complex input, output or parameter of the module is real here, as
`torch.view_as_real` gives it: the last dimension, of size 2, holds the two parts.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import fx
from torch.export.graph_signature import InputKind, InputSpec
from torch.fx.experimental.symbolic_shapes import statically_known_true
from torch.utils import _pytree as pytree

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.complex_pair import Pair, real_dtype
from torch2keras.fx_passes.complex_rules import RULES
from torch2keras.fx_passes.decompose import (
    calls_op,
    decompose_where,
    splice,
    target_of,
    trace,
    with_constants,
)
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.fake_values import Emitter, copy_node, fake_mode_of, leaves, value_of
from torch2keras.fx_passes.functionalize import functionalize
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


REAL_KINDS = (InputKind.USER_INPUT, InputKind.PARAMETER)
"""What is given as real numbers; a parameter so that each part is trained as a weight."""

NO_REFUSALS: Mapping[Any, tuple[str, str]] = MappingProxyType({})


def split_complex(
    graph_module: fx.GraphModule,
    inputs: Sequence[InputSpec] = (),
    refused: Mapping[Any, tuple[str, str]] = NO_REFUSALS,
) -> fx.GraphModule:
    """A new graph without complex values; the given one where it has none.

    `inputs` say which placeholder is which (`ExportedProgram.graph_signature.input_specs`), and
    `refused` gives reason and next step of ops that have no lowering on real numbers either.
    Raises UnsupportedOpError for an op that has no rule on complex numbers.
    """
    if not any(map(_may_be_complex, graph_module.graph.nodes)):
        return graph_module
    graph_module = decompose_where(
        graph_module, lambda node: _may_be_complex(node) and node.target not in RULES
    )
    real = {spec.arg.name for spec in inputs if spec.kind in REAL_KINDS}
    splitter = _Splitter(graph_module, real, refused)
    for node in graph_module.graph.nodes:
        splitter.add(node)
    return drop_copies(with_constants(graph_module, splitter.graph, splitter.constants), inputs)


def is_complex(value: Any) -> bool:
    """Whether a node's value is, or holds, a complex tensor."""
    return any(isinstance(leaf, torch.Tensor) and leaf.is_complex() for leaf in leaves(value))


def touches_complex(node: fx.Node) -> bool:
    """Whether an op reads or gives complex numbers."""
    return any(is_complex(each.meta.get("val")) for each in (node, *node.all_input_nodes))


def is_fourier_transform(node: fx.Node) -> bool:
    """Whether a node calls a Fourier transform.

    Such an op may compute with complex numbers where it neither reads nor gives any: `fft.hfft`.
    """
    name = target_of(node)._schema.name if calls_op(node) else ""
    return name.startswith("aten::fft_") or name in ("aten::stft", "aten::istft")


def _may_be_complex(node: fx.Node) -> bool:
    return touches_complex(node) or is_fourier_transform(node)


class _Splitter:
    """Writes the new graph, node by node.

    `env` holds what stands for each node of the given graph: a Pair for a complex value, a list for
    an op with several results. `constants` are the tensors that rules have made.
    """

    def __init__(
        self,
        graph_module: fx.GraphModule,
        real: Collection[str],
        refused: Mapping[Any, tuple[str, str]],
    ) -> None:
        self.real = real
        self.refused = refused
        self.graph = fx.Graph()
        self.mode = fake_mode_of(graph_module.graph)
        self.constants: dict[str, torch.Tensor] = {}
        self.env: dict[fx.Node, Any] = {}

    def add(self, node: fx.Node) -> None:
        """Append what stands for one node."""
        if node.op == "output":
            outputs = fx.node.map_arg(node.args[0], self._join_parts)
            self.graph.output(outputs).meta = dict(node.meta)
            return
        if node.target is operator.getitem:
            several = self.env[node.all_input_nodes[0]]
            if isinstance(several, list):
                self.env[node] = several[cast("int", node.args[1])]
                return
        if calls_op(node) and (touches_complex(node) or node.target is aten.istft.default):
            self.env[node] = self._apply_rule(node)
            return
        copy = copy_node(self.graph, node, self.env.__getitem__)
        if node.op in ("placeholder", "get_attr") and is_complex(node.meta.get("val")):
            self.env[node] = self._split_parts(node, copy)
        else:
            self.env[node] = copy

    def _split_parts(self, node: fx.Node, copy: fx.Node) -> Pair:
        """The parts of an input or a parameter, which become real, or of a constant.

        A constant stays complex, as it is in the state_dict, and is split in the graph.
        """
        emit = Emitter(self.graph, self.mode, node)
        if node.name in self.real:
            with self.mode:
                value = torch.view_as_real(node.meta["val"])
                copy.meta["val"] = value.new_empty(value.shape)
        else:
            copy = emit(aten.view_as_real.default, copy)
        return Pair(emit(aten.select.int, copy, -1, 0), emit(aten.select.int, copy, -1, 1))

    def _join_parts(self, node: fx.Node) -> Any:
        """What stands for an output of the module: the parts of a complex one in one tensor."""
        value = self.env[node]
        if not isinstance(value, Pair):
            return value
        return Emitter(self.graph, self.mode, node)(aten.stack.default, list(value), -1)

    def _apply_rule(self, node: fx.Node) -> Any:
        """Append the real ops that stand for one on complex numbers.

        Raises UnsupportedOpError where there is no rule, or where its results differ from the op's
        in shape or kind.
        """
        rule = RULES.get(target_of(node))
        if rule is None:
            raise _refusal(node, *self.refused.get(node.target, ("", COMPUTE_WITH_PARTS)))
        sources = [self.env[operand] for operand in node.all_input_nodes]
        parts, spec = pytree.tree_flatten(sources)
        result_spec: list[pytree.TreeSpec] = []

        def run(*values: Any) -> Any:
            operands = pytree.tree_unflatten(list(values), spec)
            given = dict(zip(node.all_input_nodes, operands, strict=True))
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
            result = _cast_result(rule(*args, **kwargs), node.meta["val"])
            results, tree = pytree.tree_flatten(result)
            result_spec.append(tree)
            return tuple(results)

        try:
            piece = trace(run, list(map(value_of, parts)), self.mode)
            _check_shapes(piece, node)
        except (RuntimeError, TypeError, ValueError, NotImplementedError, AttributeError) as error:
            raise _refusal(node, str(error), COMPUTE_WITH_PARTS) from error
        piece = drop_copies(functionalize(piece)[0])
        results = splice(self.graph, self.mode, piece, node, parts, self.constants)
        return pytree.tree_unflatten(list(results), result_spec[-1])


def _cast_result(result: Any, value: Any) -> Any:
    """A rule's result in the dtypes of `value`, the result of the op.

    Raises TypeError where one of the two is complex and the other is not.
    """
    if isinstance(value, list | tuple):
        return [_cast_result(each, own) for each, own in zip(result, value, strict=True)]
    if not isinstance(value, torch.Tensor):
        return result
    if isinstance(result, Pair) != value.is_complex():
        raise TypeError("the rule of this op gives a real value for a complex one, or the reverse")
    return pytree.tree_map(lambda part: part.to(real_dtype(value.dtype)), result)


def _check_shapes(piece: fx.GraphModule, node: fx.Node) -> None:
    """Raise ValueError where the parts have other shapes than the op's results."""
    output = next(each for each in piece.graph.nodes if each.op == "output")
    parts = iter(value_of(list(output.args[0])))
    for value in leaves(node.meta["val"]):
        for _ in range(2 if is_complex(value) else 1):
            part = next(parts)
            if isinstance(value, torch.Tensor) and not _is_same_shape(part.shape, value.shape):
                message = f"shape {list(part.shape)} instead of {list(value.shape)}"
                raise ValueError(message)


def _is_same_shape(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Whether two shapes are known to be equal, in whatever form they are written."""
    if len(ours) != len(theirs):
        return False
    return all(map(statically_known_true, map(operator.eq, ours, theirs)))


COMPUTE_WITH_PARTS = (
    "compute with real and imaginary parts here: torch.view_as_real, torch.view_as_complex"
)


def _refusal(node: fx.Node, why: str, step: str) -> UnsupportedOpError:
    """Return the error about an op on complex numbers that cannot be rewritten."""
    return UnsupportedOpError(
        f"no rule for {node.target} on complex numbers",
        [*origin_rows(node), ("why", why), ("next", step)],
    )
