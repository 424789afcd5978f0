"""The graph of a module in train mode laid beside that in eval mode.

Both are functional. A node of the one is a node of the other where the op and the operands are the
same. What training alone has, and stock Keras has a layer for, is put where it stands: a value of
the train graph then is a value of the eval graph behind these layers. Read are

    x * mask, x * mask / keep, x / keep * mask, torch.where(mask, x, 0), x.masked_fill(mask, 0)
    dropout(x, p) of any kind that eval mode lacks, or has with another rate
    attention with a dropout of its weights
    x + randn * deviation

with masks as `random_masks` reads them. Behind what cannot be read the graphs are laid together
again by module and order: where the calls of one op in one module are equally many in both.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import fx

from torch2keras.capture.training.random_masks import RandomTensor, read_random
from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.custom_ops.training_noise import gaussian_noise, shared_dropout
from torch2keras.fx_passes.source_lines import module_path
from torch2keras.op_facts import OpKind, kind_of

aten = torch.ops.aten

DROPOUTS = frozenset(
    {
        aten.dropout.default,
        aten.feature_dropout.default,
        aten.alpha_dropout.default,
        aten.feature_alpha_dropout.default,
    }
)
"""Ops with a rate `p` and a flag `train` that says whether they act."""

ATTENTION = aten.scaled_dot_product_attention.default

OF_MODE: Mapping[Any, frozenset[str]] = {
    **dict.fromkeys(DROPOUTS, frozenset({"p", "train"})),
    ATTENTION: frozenset({"dropout_p"}),
    multi_head_attention.default: frozenset({"dropout_p"}),
}
"""Ops that both modes have -> the names of arguments that the mode decides."""

PRODUCTS = (aten.mul.Tensor, aten.mul.Scalar)
QUOTIENTS = (aten.div.Tensor, aten.div.Scalar)
SUMS = (aten.add.Tensor, aten.sub.Tensor)
CHOICES = (aten.where.ScalarOther, aten.where.self)
FILLS = (aten.masked_fill.Scalar, aten.masked_fill.Tensor)


@dataclass(frozen=True)
class Drop:
    """An op that acts in training, what it takes behind its input, and the node that it was."""

    target: Any
    args: tuple[Any, ...]
    origin: fx.Node


@dataclass(frozen=True)
class Image:
    """What a value of the train graph is: one of the eval graph, behind these ops, times a factor.

    It is whole where the factor is the one by which dropout scales what it keeps.
    """

    node: fx.Node
    drops: tuple[Drop, ...] = ()
    factor: float = 1.0
    kept: float = 1.0
    origins: tuple[fx.Node, ...] = ()
    """The nodes of the train graph that eval mode lacks, of which it was read."""

    @property
    def is_whole(self) -> bool:
        """Whether the value has the mean of that of the eval graph."""
        return math.isclose(self.factor * self.kept, 1.0, rel_tol=1e-4)


@dataclass
class Alignment:
    """What was found: what to put into the eval graph, and where nothing could be."""

    uses: dict[tuple[fx.Node, int], tuple[Drop, ...]] = field(default_factory=dict)
    """(node of the eval graph, which of its operands) -> what drops it."""
    rates: dict[fx.Node, float] = field(default_factory=dict)
    """Dropout and attention of the eval graph -> their rates in training."""
    unread_paths: set[str] = field(default_factory=set)
    """The paths of modules that do something else in training, which is lost."""

    @property
    def is_empty(self) -> bool:
        """Whether the eval graph stays as it is."""
        return not self.uses and not self.rates


def align_modes(in_eval: fx.Graph, in_train: fx.Graph) -> Alignment:
    """Return what training puts into the graph of eval mode."""
    aligner = _Aligner(in_eval, in_train)
    for node in in_train.nodes:
        aligner.place(node)
    return aligner.finish()


class _Aligner:
    def __init__(self, in_eval: fx.Graph, in_train: fx.Graph) -> None:
        self.found = Alignment()
        self.images: dict[Any, Image] = {}
        self.taken: set[fx.Node] = set()
        self.explained: set[fx.Node] = set()
        self.unread: set[fx.Node] = set()
        self.free: defaultdict[Any, deque[fx.Node]] = defaultdict(deque)
        self.eval_nodes = list(in_eval.nodes)
        for node in self.eval_nodes:
            self.free[_key(node, {other: Image(other) for other in node.all_input_nodes})].append(
                node
            )
        self.twins = _pair_by_order(in_eval, in_train)

    def place(self, node: fx.Node) -> None:
        """Find what a node of the train graph is."""
        twin = self._take_equal(node)
        if twin is not None:
            self._match(node, twin)
            return
        image = self._read(node)
        if image is not None:
            self.images[node] = image
            return
        self._place_by_order(node)

    def _take_equal(self, node: fx.Node) -> fx.Node | None:
        """Return the node of the eval graph that is the same op of the same operands."""
        images = {}
        for operand in node.all_input_nodes:
            image = self.images.get(operand)
            if image is None or not image.is_whole:
                return None
            images[operand] = image
        waiting = self.free.get(_key(node, images), ())
        while waiting:
            twin = waiting.popleft()
            if twin not in self.taken:
                return twin
        return None

    def _match(self, node: fx.Node, twin: fx.Node) -> None:
        self.taken.add(twin)
        self.images[node] = Image(twin)
        self._note_rate(node, twin)
        ours, theirs = _operands(node), _operands(twin)
        if len(ours) != len(theirs):
            theirs = [twin] * len(ours)  # which no operand is
        for place, (operand, other) in enumerate(zip(ours, theirs, strict=True)):
            image = self.images.get(operand)
            if image is None or not image.origins:
                continue
            if image.is_whole and image.node is other:
                self.found.uses[twin, place] = image.drops
            else:
                self.unread.update(image.origins)

    def _note_rate(self, node: fx.Node, twin: fx.Node) -> None:
        given, others = bind_arguments(node), bind_arguments(twin)
        if node.target in DROPOUTS:
            if given["train"] and not others["train"] and given["p"] != others["p"]:
                self.found.rates[twin] = _as_number(given["p"])
        elif node.target is ATTENTION:
            rate = _as_number(given["dropout_p"])
            if rate and not others["dropout_p"]:
                self.found.rates[twin] = rate

    def _place_by_order(self, node: fx.Node) -> None:
        """Lay together again what is the same but for what it is given; else it is unread."""
        operands = [self.images.get(operand) for operand in node.all_input_nodes]
        depends = any(image is None or not image.is_whole for image in operands)
        twin = self.twins.get(node)
        if twin is None or twin in self.taken:
            self.unread.add(node)
            for image in operands:
                if image is not None:
                    self.unread.update(image.origins)
            return
        if not depends or not _has_same_numbers(node, twin):
            self.unread.add(node)
        self._match(node, twin)

    def _read(self, node: fx.Node) -> Image | None:
        """Return what a value is that eval mode lacks; None where it cannot be read."""
        if node.target in DROPOUTS:
            return self._read_dropout(node)
        if node.target in (*PRODUCTS, *QUOTIENTS):
            return self._read_scaled(node) or self._read_product(node)
        if node.target in SUMS:
            return self._read_noise(node)
        if node.target in (*CHOICES, *FILLS):
            return self._read_choice(node)
        return None

    def _read_dropout(self, node: fx.Node) -> Image | None:
        given = bind_arguments(node)
        image = self.images.get(node.args[0])
        if image is None or not image.is_whole or not given["train"]:
            return None
        return _add_drop(image, Drop(node.target, (_as_number(given["p"]), False), node), node)

    def _read_scaled(self, node: fx.Node) -> Image | None:
        """Read a value times a number."""
        number = node.args[1]
        image = self.images.get(node.args[0])
        if image is None or isinstance(number, bool) or not isinstance(number, int | float):
            return None
        if number == 0 or not _is_float(node):
            return None
        factor = number if node.target in PRODUCTS else 1 / number
        return replace(image, factor=image.factor * factor, origins=(*image.origins, node))

    def _read_product(self, node: fx.Node) -> Image | None:
        """Read a value times a mask."""
        if node.target is not aten.mul.Tensor:
            return None
        first, second = node.args
        for value, mask in ((first, second), (second, first)):
            if value in self.images and isinstance(mask, fx.Node) and mask not in self.images:
                drawn = read_random(mask)
                if drawn is not None:
                    return self._add_mask(node, self.images[value], drawn)
        return None

    def _read_choice(self, node: fx.Node) -> Image | None:
        """Read zeros where a mask says so."""
        if node.target in FILLS:
            value, mask, other = node.args
        else:
            mask, value, other = node.args
        if not isinstance(mask, fx.Node) or value not in self.images or not _is_zero(other):
            return None
        drawn = read_random(mask)
        if drawn is None:
            return None
        if node.target in FILLS:
            drawn = replace(drawn, values=1 - drawn.values)
        return self._add_mask(node, self.images[value], drawn)

    def _add_mask(self, node: fx.Node, image: Image, drawn: RandomTensor) -> Image | None:
        """Return a value behind the dropout that a mask is."""
        mask = drawn.read_mask()
        shape = node.meta["val"].shape
        dims = drawn.find_dims(shape)
        if mask is None or dims is None or not _is_float(node) or not _has_shape(image, node):
            return None
        share, value = mask
        self.explained |= drawn.nodes
        rate = float(f"{1 - share:.5g}")  # as it was written, where a grid shows it to a millionth
        drop = Drop(shared_dropout, (rate, list(dims)), node)
        if len(dims) == sum(size != 1 for size in shape):
            drop = Drop(aten.dropout.default, (rate, False), node)
        dropped = _add_drop(image, drop, node)
        return replace(dropped, factor=image.factor * value, kept=image.kept * share)

    def _read_noise(self, node: fx.Node) -> Image | None:
        """Read a value to which normal noise is added, a number for each of its own."""
        first, second = node.args
        for value, noise in ((first, second), (second, first)):
            image = self.images.get(value)
            if image is None or not isinstance(noise, fx.Node) or noise in self.images:
                continue
            drawn = read_random(noise)
            deviation = drawn.read_deviation() if drawn is not None else None
            if not deviation or drawn is None or node.kwargs or not image.is_whole:
                continue
            shape = node.meta["val"].shape
            dims = drawn.find_dims(shape)
            if dims is None or len(dims) != len(shape) or not _is_float(node):
                continue
            if node.target is aten.sub.Tensor and value is second:
                continue
            self.explained |= drawn.nodes
            number = float(f"{deviation:.6g}")
            return _add_drop(image, Drop(gaussian_noise, (number,), node), node)
        return None

    def finish(self) -> Alignment:
        """Return what was found, with the paths of what was not read."""
        for image in self.images.values():
            if not image.is_whole:
                self._refuse_unused(image)
        for node in self.unread - self.explained:
            if node.op == "call_function":
                self.found.unread_paths.add(module_path(node)[0])
        for node in self.eval_nodes:
            if node not in self.taken and node.op == "call_function":
                self.found.unread_paths.add(module_path(node)[0])
        return self.found

    def _refuse_unused(self, image: Image) -> None:
        """Take for unread what never became a whole value, unless a later one is made of it."""
        last = image.origins[-1]
        if not any(user in self.images and self.images[user].origins for user in last.users):
            self.unread.update(image.origins)


def _add_drop(image: Image, drop: Drop, node: fx.Node) -> Image:
    return replace(image, drops=(*image.drops, drop), origins=(*image.origins, node))


Key = tuple[Any, ...]


def bind_arguments(node: fx.Node) -> dict[str, Any]:
    """Return the arguments of an op by name, with the defaults of what is not given."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return {**dict(zip(map(str, range(len(node.args))), node.args, strict=True)), **node.kwargs}
    schema = node.target._schema.arguments
    bound = {a.name: a.default_value for a in schema if a.has_default_value()}
    bound.update({a.name: given for a, given in zip(schema, node.args, strict=False)})
    bound.update(node.kwargs)
    return bound


def _key(node: fx.Node, images: Mapping[fx.Node, Image]) -> Key:
    """Return what two nodes have in common that compute the same: op and operands."""
    if node.op in ("placeholder", "get_attr"):
        return node.op, str(node.target)
    bound = bind_arguments(node)
    for name in OF_MODE.get(node.target, ()):
        bound.pop(name)
    named = fx.node.map_arg(bound, lambda operand: images[operand].node)
    return node.op, str(node.target), repr(sorted(named.items()))


def _operands(node: fx.Node) -> list[fx.Node]:
    """Return each node among the arguments, in their order, as often as it stands there."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


def _pair_by_order(in_eval: fx.Graph, in_train: fx.Graph) -> dict[fx.Node, fx.Node]:
    """Return node of train -> node of eval where a module calls an op equally often in both."""
    ours, theirs = _group_calls(in_eval), _group_calls(in_train)
    pairs: dict[fx.Node, fx.Node] = {}
    for group, nodes in theirs.items():
        others = ours.get(group, [])
        if len(nodes) == len(others):
            pairs.update(zip(nodes, others, strict=True))
    return pairs


def _group_calls(graph: fx.Graph) -> Mapping[Key, list[fx.Node]]:
    groups: defaultdict[Key, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.op in ("call_function", "output"):
            groups[str(node.target), module_path(node)[0]].append(node)
    return groups


def _has_same_numbers(node: fx.Node, twin: fx.Node) -> bool:
    """Return whether two calls differ in their operands alone."""
    none = {operand: Image(operand) for operand in (*node.all_input_nodes, *twin.all_input_nodes)}
    first = {operand: replace(none[operand], node=node) for operand in node.all_input_nodes}
    second = {operand: replace(none[operand], node=node) for operand in twin.all_input_nodes}
    return _key(node, first) == _key(twin, second)


def _as_number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _is_float(node: fx.Node) -> bool:
    value = node.meta.get("val")
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def _is_zero(value: Any) -> bool:
    """Return whether an argument is 0, or a tensor filled with it."""
    if isinstance(value, fx.Node):
        return kind_of(value.target) is OpKind.ZEROS
    return isinstance(value, int | float) and value == 0


def _has_shape(image: Image, node: fx.Node) -> bool:
    """Return whether the dropped value has the shape that it had before."""
    return len(image.node.meta["val"].shape) == len(node.meta["val"].shape)
