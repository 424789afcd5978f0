"""Rewrite a graph with complex values into one with real ones: each becomes its real and its imaginary part.

An op on complex numbers is replaced by the real ops that its rule makes (complex_rules.py); ops without a rule are
decomposed first, where PyTorch can. A complex input or output of the module is real here, in the form of
`torch.view_as_real`: the last dimension, of size 2, holds the two parts.
"""

from __future__ import annotations

import operator
from collections.abc import Collection, Sequence
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
    traced,
    with_constants,
)
from torch2keras.fx_passes.drop_copies import drop_copies
from torch2keras.fx_passes.fake_values import copied, emit, fake_mode_of, leaves, value_of
from torch2keras.fx_passes.functionalize import functionalize
from torch2keras.fx_passes.source_lines import origin_rows

aten = torch.ops.aten


def split_complex(graph_module: fx.GraphModule, inputs: Sequence[InputSpec] = ()) -> fx.GraphModule:
    """A new graph without complex values; the given one where it has none.

    `inputs` say which placeholder is which (`ExportedProgram.graph_signature.input_specs`).
    Raises UnsupportedOpError for an op of which there is no rule on complex numbers.
    """
    if not any(
        is_complex(node.meta.get("val")) or transforms(node) for node in graph_module.graph.nodes
    ):
        return graph_module
    graph_module = decompose_where(
        graph_module,
        lambda node: (touches_complex(node) or transforms(node)) and node.target not in RULES,
    )
    given = {spec.arg.name for spec in inputs if spec.kind is InputKind.USER_INPUT}
    work = _Splitting(graph_module, given)
    for node in graph_module.graph.nodes:
        work.add(node)
    return drop_copies(with_constants(graph_module, work.graph, work.constants), inputs)


def is_complex(value: Any) -> bool:
    """Whether a node's value is, or holds, a complex tensor."""
    return any(isinstance(leaf, torch.Tensor) and leaf.is_complex() for leaf in leaves(value))


def touches_complex(node: fx.Node) -> bool:
    """Whether an op reads or gives complex numbers."""
    return any(is_complex(each.meta.get("val")) for each in (node, *node.all_input_nodes))


def transforms(node: fx.Node) -> bool:
    """Whether an op may compute with complex numbers where it neither reads nor gives any, as `fft.hfft` does."""
    name = target_of(node)._schema.name if calls_op(node) else ""
    return name.startswith("aten::fft_") or name in ("aten::stft", "aten::istft")


class _Splitting:
    """The new graph so far: what stands for each node of the given one, a Pair for a complex value."""

    def __init__(self, graph_module: fx.GraphModule, given: Collection[str]) -> None:
        self.given = given
        self.graph = fx.Graph()
        self.mode = fake_mode_of(graph_module.graph)
        self.constants: dict[str, torch.Tensor] = {}
        self.env: dict[fx.Node, Any] = {}

    def add(self, node: fx.Node) -> None:
        if node.op == "output":
            outputs = fx.node.map_arg(node.args[0], lambda n: self._joined(n, self.env[n]))
            self.graph.output(outputs).meta = dict(node.meta)
        elif node.target is operator.getitem and isinstance(
            several := self.env[node.all_input_nodes[0]], list
        ):
            self.env[node] = several[cast("int", node.args[1])]
        elif calls_op(node) and (touches_complex(node) or node.target is aten.istft.default):
            self.env[node] = self._real(node)
        else:
            self.env[node] = copied(self.graph, node, self.env.__getitem__)
            if node.op in ("placeholder", "get_attr") and is_complex(node.meta.get("val")):
                self.env[node] = self._parts(node, self.env[node])

    def _parts(self, node: fx.Node, copy: fx.Node) -> Pair:
        """Of an input, which becomes real; of a constant, which stays what it is in the state_dict."""
        if node.name in self.given:
            with self.mode:
                value = torch.view_as_real(node.meta["val"])
                copy.meta["val"] = value.new_empty(value.shape)
        else:
            copy = emit(self.graph, self.mode, node, aten.view_as_real.default, (copy,))
        return Pair(
            *(
                emit(self.graph, self.mode, node, aten.select.int, (copy, -1, part))
                for part in (0, 1)
            )
        )

    def _joined(self, node: fx.Node, value: Any) -> Any:
        """An output of the module."""
        if not isinstance(value, Pair):
            return value
        return emit(self.graph, self.mode, node, aten.stack.default, (list(value), -1))

    def _real(self, node: fx.Node) -> Any:
        """The real ops that stand for one on complex numbers."""
        rule = RULES.get(target_of(node))
        if rule is None:
            raise _refusal(node, "")
        sources = [self.env[operand] for operand in node.all_input_nodes]
        flat, spec = pytree.tree_flatten(sources)
        result_spec: list[pytree.TreeSpec] = []

        def run(*values: Any) -> Any:
            given = dict(
                zip(node.all_input_nodes, pytree.tree_unflatten(list(values), spec), strict=True)
            )
            args, kwargs = fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
            results, tree = pytree.tree_flatten(_typed(rule(*args, **kwargs), node.meta["val"]))
            result_spec.append(tree)
            return tuple(results)

        try:
            piece = traced(run, [value_of(value) for value in flat], self.mode)
            _check_shapes(piece, node)
        except (RuntimeError, TypeError, ValueError, NotImplementedError, AttributeError) as error:
            raise _refusal(node, str(error)) from error
        piece = drop_copies(functionalize(piece)[0])
        return pytree.tree_unflatten(
            list(splice(self.graph, self.mode, piece, node, flat, self.constants)), result_spec[-1]
        )


def _typed(result: Any, value: Any) -> Any:
    """A rule's result in the types of the op's."""
    if isinstance(value, list | tuple):
        return [_typed(each, own) for each, own in zip(result, value, strict=True)]
    if not isinstance(value, torch.Tensor):
        return result
    if isinstance(result, Pair) != value.is_complex():
        raise TypeError("the rule of this op gives a real value for a complex one, or the reverse")
    return pytree.tree_map(lambda part: part.to(real_dtype(value.dtype)), result)


def _check_shapes(piece: fx.GraphModule, node: fx.Node) -> None:
    """Raise ValueError where the parts have other shapes than the op's results."""
    output = next(each for each in piece.graph.nodes if each.op == "output")
    ours = iter(value_of(list(output.args[0])))
    for value in leaves(node.meta["val"]):
        for part in (next(ours) for _ in range(2 if is_complex(value) else 1)):
            if isinstance(value, torch.Tensor) and not _same_shape(part.shape, value.shape):
                message = f"shape {list(part.shape)} instead of {list(value.shape)}"
                raise ValueError(message)


def _same_shape(ours: Sequence[Any], theirs: Sequence[Any]) -> bool:
    """Whether two shapes are known to be equal, in whatever form they are written."""
    return len(ours) == len(theirs) and all(
        map(statically_known_true, map(operator.eq, ours, theirs))
    )


def _refusal(node: fx.Node, why: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        f"no rule for {node.target} on complex numbers",
        [
            *origin_rows(node),
            ("why", why),
            (
                "next",
                "compute with real and imaginary parts here: torch.view_as_real, torch.view_as_complex",
            ),
        ],
    )
