"""Which values of a graph share memory, and what each of them is after a write."""

from __future__ import annotations

import operator
from typing import Any, cast

import torch
from torch import fx
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensorMode

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.fake_values import copy_node, leaves, storage_key
from torch2keras.fx_passes.source_lines import origin_rows
from torch2keras.fx_passes.view_inverses import View, write_through_view

aten = torch.ops.aten


# torch.export gives the copy of a constant the storage of the constant; they are two tensors all
# the same.
FRESH = frozenset({aten.lift_fresh_copy.default, aten.clone.default})


class _Alias:
    """One value of the given graph: how it is made, from which aliases, and its newest copy.

    `parent` is the operand whose storage it shares; `operands` are kept as they were when the value
    was made, because an in-place reshaping gives a node another alias later. `copy` is the newest
    copy, and `stamp` says at which versions of its storages it was made.
    """

    def __init__(self, node: fx.Node, target: Any, operands: dict[fx.Node, _Alias]) -> None:
        self.node = node
        self.target = target
        self.operands = operands
        self.keys = _storage_keys(node)
        self.parent = self._find_parent()
        if not self.holds_tensor:
            of_operands: set[int] = set()
            for operand in operands.values():
                of_operands |= operand.keys
            self.keys = self.keys & of_operands
        self.copy: fx.Node | None = None
        self.stamp: tuple[int, ...] = ()

    @property
    def holds_tensor(self) -> bool:
        """Whether the value is one tensor, and no list and no size."""
        return isinstance(self.node.meta.get("val"), torch.Tensor)

    def _find_parent(self) -> _Alias | None:
        """The operand of which this value is a view.

        For an element of a list, it is what the op that gives the list views.
        """
        if len(self.keys) != 1 or self.node.op != "call_function" or self.target in FRESH:
            return None
        operands = list(self.operands.values())
        if self.node.target is operator.getitem:
            operands = [*operands[0].operands.values(), *operands]
        for operand in operands:
            if operand.holds_tensor and operand.keys == self.keys:
                return operand
        return None


class Aliases:
    """The aliases of every value of a graph that is being rewritten into `graph`.

    A storage has a version, counted up by each write. The copy of an alias is up to date as long as
    the versions of its storages are those at which the copy was made; otherwise `read` makes it
    anew from its operands.
    """

    def __init__(self, graph: fx.Graph, mode: FakeTensorMode) -> None:
        self.graph = graph
        self.mode = mode
        self._versions: dict[int, int] = {}
        self._aliases: dict[fx.Node, _Alias] = {}

    def define(self, node: fx.Node) -> None:
        """Append a copy of a node that writes to nothing."""
        if node.target is aten.as_strided.default:
            self._check_strides(node)
        alias = _Alias(node, node.target, self._operands(node))
        if node.target in FRESH:
            for operand in alias.operands.values():
                self._read(operand)  # before it is stamped: its copy may be older than a write
                operand.keys -= alias.keys
                operand.stamp = self._stamp(operand)
        self._renew(alias, copy_node(self.graph, node, self.read))
        self._aliases[node] = alias

    def read(self, node: fx.Node) -> fx.Node:
        """The newest copy of a node's value."""
        return self._read(self._aliases[node])

    def write(self, node: fx.Node, value: fx.Node) -> None:
        """Give a value a new content, and with it every other value that shares its memory."""
        alias = self._aliases[node]
        chain = [alias]
        while chain[-1].parent is not None:
            chain.append(chain[-1].parent)
        before = [self._read(link) for link in chain]
        values = [value]
        for link, whole in zip(chain[:-1], before[1:], strict=True):
            view, part = _view_of_parent(link), values[-1]
            values.append(write_through_view(self.graph, self.mode, view, whole, part))
        for key in alias.keys:
            self._versions[key] = self._versions.get(key, 0) + 1
        for link, copy in zip(chain, values, strict=True):
            self._renew(link, copy)

    def identify(self, node: fx.Node, other: fx.Node) -> None:
        """Take `node` for `other`, as the result of an in-place op is its operand."""
        self._aliases[node] = self._aliases[other]

    def reshape_in_place(self, node: fx.Node, destination: fx.Node, functional: OpOverload) -> None:
        """Make `destination` a view of itself, as unsqueeze_ does; `node` is the in-place op."""
        before = self._aliases[destination]
        after = _Alias(node, functional, self._operands(node))
        self._renew(after, self._remake(after))
        for known, alias in self._aliases.items():
            if alias is before:
                self._aliases[known] = after
        self._aliases[node] = after

    def root(self, node: fx.Node) -> fx.Node:
        """The node that made the storage of a value."""
        alias = self._aliases[node]
        while alias.parent is not None:
            alias = alias.parent
        return alias.node

    def _operands(self, node: fx.Node) -> dict[fx.Node, _Alias]:
        return {operand: self._aliases[operand] for operand in node.all_input_nodes}

    def _read(self, alias: _Alias) -> fx.Node:
        if alias.copy is None or alias.stamp != self._stamp(alias):
            self._renew(alias, self._remake(alias))
        return cast("fx.Node", alias.copy)

    def _remake(self, alias: _Alias) -> fx.Node:
        """Append the same view of the newest content."""
        node = alias.node
        if node.op != "call_function":
            raise UnsupportedOpError(
                f"{node.name} shares memory with another input or parameter that is written to",
                [("next", "give each input its own tensor")],
            )
        args, kwargs = fx.node.map_arg(
            (node.args, node.kwargs), lambda operand: self._read(alias.operands[operand])
        )
        copy = self.graph.create_node("call_function", alias.target, args, kwargs, name=node.name)
        copy.meta = dict(node.meta)
        return copy

    def _stamp(self, alias: _Alias) -> tuple[int, ...]:
        return tuple(self._versions.get(key, 0) for key in sorted(alias.keys))

    def _renew(self, alias: _Alias, copy: fx.Node) -> None:
        alias.copy, alias.stamp = copy, self._stamp(alias)

    def _check_strides(self, node: fx.Node) -> None:
        operand = cast("fx.Node", node.args[0])
        if any(self._versions.get(key) for key in self._aliases[operand].keys):
            raise UnsupportedOpError(
                "as_strided of a tensor that was written to",
                [
                    *origin_rows(node),
                    ("why", "the strides of the new value may differ"),
                    ("next", "use slices, view or unfold in place of as_strided"),
                ],
            )


def _storage_keys(node: fx.Node) -> frozenset[int]:
    """The keys of all storages in which a node's value lies."""
    keys = map(storage_key, leaves(node.meta.get("val")))
    return frozenset(key for key in keys if key is not None)


def _view_of_parent(alias: _Alias) -> View:
    """The view that an alias is of its parent."""
    parent = cast("_Alias", alias.parent)
    source, index, parts = alias, 0, ()
    if alias.node.target is operator.getitem:
        list_node, index = cast("tuple[fx.Node, int]", alias.node.args)
        source, parts = alias.operands[list_node], list_node.meta["val"]
    args, kwargs = fx.node.map_arg(
        (source.node.args, source.node.kwargs), lambda operand: source.operands[operand].copy
    )
    value, whole = alias.node.meta["val"], parent.node.meta["val"]
    return View(alias.node, source.target, args, kwargs, value, whole, parts, index)
