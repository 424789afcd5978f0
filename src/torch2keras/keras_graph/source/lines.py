"""A line of code as data: a tree with places for values and for constants.

Two lines with the same tree do the same to other values with other constants, so they can be one
line of a function or of a loop.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, TypeAlias

import keras

from torch2keras.keras_graph.graph import GETITEM, Call, LayerSpec, Literal, Ref
from torch2keras.keras_graph.source.expressions import Array, Expression, Fixed, LayerKind

SIMPLE_KEYS = frozenset(
    ["kernel_size", "strides", "dilation_rate", "pool_size", "padding", "cropping", "size"]
)
"""Arguments of layers for which one number stands for all dimensions."""


@dataclass(frozen=True)
class Read:
    """A place for a value: the one at `place` in the line's `reads`."""

    place: int


@dataclass(frozen=True)
class Gap:
    """A place for a constant: the one at `place` in the line's `gaps`."""

    place: int
    label: str
    """What a variable for it would be called."""
    default: str = ""
    """Keras's default as it would be written; "" where there is none."""


@dataclass(frozen=True)
class Group:
    """A tuple or list of which an item is a value."""

    is_list: bool
    items: tuple[Node, ...]


@dataclass(frozen=True)
class Span:
    """A slice in an index."""

    start: Node
    stop: Node
    step: Node


@dataclass(frozen=True)
class Layer:
    """The constructor of a layer."""

    cls: str
    arguments: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class FunctionName:
    """A function of ours with some of its arguments, not called yet: `partial(block, name=...)`."""

    number: int


@dataclass(frozen=True)
class CallTree:
    """A call: of a layer made on the spot, of one that was made before, or of a function."""

    function: Layer | Read | FunctionName | str | int
    """A name within keras as "ops.add", or the number of a function of ours."""
    args: tuple[Node, ...]
    kwargs: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Index:
    """A value that is indexed."""

    value: Node
    items: tuple[Node, ...]
    is_tuple: bool
    """Whether one index alone is a tuple, as Keras wants it of a slice: `x[:1,]`."""


@dataclass(frozen=True)
class Append:
    """A list and one value more."""

    values: Node
    last: Node


Node: TypeAlias = Append | Read | Gap | Group | Span | Layer | CallTree | Index


@dataclass(eq=False)
class Line:
    """A line is one assignment."""

    tree: Node
    gaps: list[Expression]
    reads: list[int]
    makes: list[int]
    path: str
    """The path of the module that it comes from."""
    otherwise: dict[int, int] = field(default_factory=dict)
    """Value -> what it is where this line is left out."""
    source: str = ""
    """The line of the user's code that it comes from, as "file.py:41", of the first piece."""

    @cached_property
    def slots(self) -> list[tuple[Gap, Expression]]:
        """Return the gaps with what stands in them, in order."""
        gaps = sorted(gaps_of(self.tree), key=lambda gap: gap.place)
        return [(gap, self.gaps[gap.place]) for gap in gaps]


def gaps_of(node: Any) -> Iterator[Gap]:
    """Yield the gaps of a tree, in order of their places."""
    if isinstance(node, Gap):
        yield node
    for inner in _inner_nodes(node):
        yield from gaps_of(inner)


def _inner_nodes(node: Any) -> Iterator[Any]:
    """Yield what a node is made of, in the order in which it is written."""
    match node:
        case Group(_, items):
            yield from items
        case Index(value, items, _):
            yield from (value, *items)
        case Span(start, stop, step):
            yield from (start, stop, step)
        case Layer(_, arguments):
            yield from dict(arguments).values()
        case CallTree(function, args, kwargs):
            yield from (function, *args, *dict(kwargs).values())


class LineBuilder:
    """Takes the values and constants out of one call."""

    def __init__(self) -> None:
        self.gaps: list[Expression] = []
        self.reads: list[int] = []

    def gap(self, label: str, value: Any, default: str = "") -> Gap:
        """Return a place for a constant."""
        self.gaps.append(Fixed(value))
        return Gap(len(self.gaps) - 1, label, default)

    def read(self, index: int) -> Read:
        """Return a place for a value."""
        self.reads.append(index)
        return Read(len(self.reads) - 1)

    def argument(self, label: str, value: Any) -> Node:
        """Return the tree of an argument."""
        if isinstance(value, Ref):
            return self.read(value.index)
        if isinstance(value, list | tuple) and any(map(_holds_value, value)):
            items = tuple(self.argument(label, item) for item in value)
            return Group(isinstance(value, list), items)
        if _is_shape(value):
            return self.shape(value)
        return self.gap(label, read_constant(value))

    def shape(self, sizes: tuple[int, ...]) -> Group:
        """Return the tree of a shape: a place for each size."""
        return Group(is_list=False, items=tuple(self.gap("size", size) for size in sizes))

    def index(self, value: Any, items: Any) -> Index:
        """Return the tree of `x[items]`."""
        parts = items if isinstance(items, tuple) else (items,)
        shown: list[Node] = []
        of = self.argument("x", value)
        for part in parts:
            if isinstance(part, slice):
                start = self.gap("start", part.start)
                stop = self.gap("stop", part.stop)
                shown.append(Span(start, stop, self.gap("step", part.step)))
            else:
                shown.append(self.gap("index", part))
        return Index(of, tuple(shown), isinstance(items, tuple))

    def layer(self, spec: LayerSpec, extra: Mapping[str, Any]) -> Layer:
        """Return the tree of a constructor, with every argument that Keras has a default for."""
        arguments: list[tuple[str, Node]] = []
        given = {**spec.config, **extra}
        for key, default in default_arguments(spec.cls).items():
            if key in given or default is not inspect.Parameter.empty:
                value = given.pop(key, default)
                shown = (
                    ""
                    if default is inspect.Parameter.empty
                    else repr(simplify_argument(key, default))
                )
                arguments.append((key, self._config(key, value, shown)))
        for key, value in given.items():
            arguments.append((key, self._config(key, value)))
        return Layer(spec.cls, tuple(arguments))

    def _config(self, key: str, value: Any, default: str = "") -> Node:
        if isinstance(value, LayerSpec):
            return self.layer(value, {"name": value.cls.lower()})
        if key == "target_shape" and _is_shape(value):
            return self.shape(value)
        return self.gap(key, simplify_argument(key, value), default)


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 1 and all(type(n) is int for n in value)


def _holds_value(item: Any) -> bool:
    if isinstance(item, list | tuple):
        return any(map(_holds_value, item))
    return isinstance(item, Ref)


def read_constant(value: Any) -> Any:
    """Return an argument without values, literal tensors as Arrays."""
    if isinstance(value, Literal):
        weight = value.weight
        dtype = "float32" if weight.dtype == "bfloat16" else weight.dtype
        values = weight.values()
        empty_shape = () if values.numel() else tuple(values.shape)
        return Array(values.tolist(), dtype, empty_shape)
    if isinstance(value, list | tuple):
        return type(value)(map(read_constant, value))
    return value


@cache
def default_arguments(cls: str) -> Mapping[str, Any]:
    """Return the arguments of a layer's constructor with their defaults, those that we may set."""
    found = {}
    parameters = inspect.signature(getattr(keras.layers, cls).__init__).parameters
    for key, parameter in parameters.items():
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and key not in ("self", "name"):
            found[key] = parameter.default
    return found


def simplify_argument(key: str, value: Any) -> Any:
    """Return one number for a tuple of equal numbers, where Keras takes it for the same."""
    if key in SIMPLE_KEYS and isinstance(value, tuple) and value:
        inner = [simplify_argument(key, item) for item in value]
        if all(type(item) is int and item == inner[0] for item in inner):
            return inner[0]
    return value


def layer_extras(call: Call) -> dict[str, Any]:
    """Return the arguments of a layer beside its configuration, without its name."""
    extra: dict[str, Any] = {}
    if not call.trainable:
        extra["trainable"] = False
    if call.dtype != "float32":
        extra["dtype"] = call.dtype
    return extra


def make_lines(calls: Sequence[Call], numbers: Iterator[int]) -> list[list[Line]]:
    """Return the lines of each call: its own, and before it what it is the first to need.

    That is a layer which several calls share, and a list of values which continues another one.
    These are values too, with the next of `numbers`.
    """
    counts: dict[str, int] = {}
    for call in calls:
        if call.is_layer:
            counts[call.name] = counts.get(call.name, 0) + 1
    shared: dict[str, int] = {}
    all_lines = []
    growing = _GrowingLists(calls, numbers)
    for call in calls:
        lines = growing.lines_for(call)
        all_lines.append(lines)
        if call.is_layer and counts[call.name] > 1 and call.name not in shared:
            shared[call.name] = next(numbers)
            path = common_path([c.origin.path for c in calls if c.name == call.name])
            lines.append(_make_shared_layer(call, shared[call.name], path))
        layer = shared.get(call.name) if call.is_layer else None
        lines.append(_make_line(growing.exchange(call), layer))
    return all_lines


class _GrowingLists:
    """Lists of values that grow, as those of a dense block, as values of their own.

    A list that another one continues is made once, and the other is made of it and one value more.
    """

    def __init__(self, calls: Sequence[Call], free: Iterator[int]) -> None:
        self.free = free
        self.numbers: dict[tuple[int, ...], int] = {}
        """The members of a list -> the value that it is."""
        self.paths: dict[int, str] = {}
        found: set[tuple[int, ...]] = set()
        for call in calls:
            self.paths.update(dict.fromkeys(call.outputs, call.origin.path))
            found.update(members for _, members in _value_lists(call))
        longer = {members[:-1] for members in found}
        self.growing = {m for m in found if m in longer or m[:-1] in found}

    def lines_for(self, call: Call) -> list[Line]:
        """Return the lines that make the lists which a call reads."""
        lines = []
        for _, members in _value_lists(call):
            if members in self.growing and members not in self.numbers:
                path = common_path([self.paths.get(members[-1], ""), call.origin.path])
                before = self.numbers.get(members[:-1])
                self.numbers[members] = number = next(self.free)
                if before is None:
                    group = Group(is_list=True, items=tuple(map(Read, range(len(members)))))
                    lines.append(Line(group, [], list(members), [number], path))
                else:
                    append = Append(Read(0), Read(1))
                    lines.append(Line(append, [], [before, members[-1]], [number], path))
        return lines

    def exchange(self, call: Call) -> Call:
        """Return a call that reads the lists as values."""
        args = list(call.args)
        for place, members in _value_lists(call):
            if members in self.numbers:
                args[place] = Ref(self.numbers[members])
        return replace(call, args=tuple(args))


def _value_lists(call: Call) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the place and the members of each argument that is a list of values."""
    for place, argument in enumerate(call.args):
        if isinstance(argument, list) and len(argument) > 1:
            members = [item.index for item in argument if isinstance(item, Ref)]
            if len(members) == len(argument):
                yield place, tuple(members)


ACTIVATIONS = frozenset(["ReLU", "LeakyReLU", "ELU", "Activation", "Softmax"])
"""Layers without weights of which one may stand for another."""


def _constructor(builder: LineBuilder, call: Call) -> Layer:
    extra = layer_extras(call)
    if call.layer.cls in ACTIVATIONS:
        kind = LayerKind(call.layer.cls, _arguments_beside_defaults(call.layer, extra))
        named = builder.gap("activation", kind), builder.gap("name", call.name)
        return Layer("", tuple(zip(("kind", "name"), named, strict=True)))
    layer = builder.layer(call.layer, extra)
    name = builder.gap("name", call.name)
    return Layer(layer.cls, (*layer.arguments, ("name", name)))


def _arguments_beside_defaults(
    spec: LayerSpec, extra: Mapping[str, Any]
) -> tuple[tuple[str, Any], ...]:
    """Return the arguments of a layer that are not Keras's defaults."""
    defaults = default_arguments(spec.cls)
    shown = []
    for key, value in {**spec.config, **extra}.items():
        if key not in defaults or repr(defaults[key]) != repr(value):
            shown.append((key, value))
    return tuple(shown)


def _make_shared_layer(call: Call, number: int, path: str) -> Line:
    builder = LineBuilder()
    tree = _constructor(builder, call)
    return Line(tree, builder.gaps, builder.reads, [number], path)


def _make_line(call: Call, layer: int | None) -> Line:
    builder = LineBuilder()
    tree: Node
    if call.target == GETITEM:
        tree = builder.index(*call.args)
    else:
        function: Layer | Read | str = call.target
        if layer is not None:
            function = builder.read(layer)
        elif call.is_layer:
            function = _constructor(builder, call)
        label = call.target.rpartition(".")[2]
        args = tuple(builder.argument(label, value) for value in call.args)
        pairs = call.kwargs.items()
        kwargs = tuple((key, builder.argument(key, value)) for key, value in pairs)
        tree = CallTree(function, args, kwargs)
    return Line(
        tree,
        builder.gaps,
        builder.reads,
        list(call.outputs),
        call.origin.path,
        source=call.origin.source,
    )


def common_path(paths: Sequence[str]) -> str:
    """Return the path of the innermost module that holds all of these."""
    shared = paths[0].split(".") if paths[0] else []
    for path in paths[1:]:
        steps = path.split(".")
        length = 0
        while length < min(len(shared), len(steps)) and shared[length] == steps[length]:
            length += 1
        shared = shared[:length]
    return ".".join(shared)
