"""What values are called: after what they are, `x` on the main path, `y` on a branch beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from torch2keras.keras_graph.source.expressions import Fixed, Text
from torch2keras.keras_graph.source.identifiers import identifier, snake_case, yield_names
from torch2keras.keras_graph.source.lines import Append, CallTree, Gap, Group, Layer, Line, Read
from torch2keras.keras_graph.source.loops import Item, Loop

PLAIN_NAMES = ("x", "y", "z")

SKIP = "skip"
"""What a value is called that is joined again to what was made of it."""

ONES = "ones"
"""What a tensor of ones is called, of which a layer that is a bare parameter is made."""

LIST_NAME = "features"
"""What a list of values is called, and nothing that is made of one."""

NUMBER = re.compile(r"_\d+$")
"""What tells apart the layers of one name."""

ROLES = {
    "ops.dot_product_attention": ("query", "key", "value", "bias", "mask"),
    "ops.where": ("mask",),
    "ops.take": ("", "indices"),
    "ops.take_along_axis": ("", "indices"),
}
"""What the arguments of an op are called."""

PASS_ON = frozenset(
    ["ops.reshape", "ops.transpose", "ops.multiply", "ops.cast", "ops.tile", "layers.Reshape"]
)
"""Ops and layers whose result is what their operand was."""

SUBMODULES = {
    "q": "query", "q_proj": "query", "query": "query", "to_q": "query", "wq": "query",
    "k": "key", "k_proj": "key", "key": "key", "to_k": "key", "wk": "key",
    "v": "value", "v_proj": "value", "value": "value", "to_v": "value", "wv": "value",
    "gate": "gate", "gate_proj": "gate",
}  # fmt: skip
"""What the result of a submodule is called, by the submodule's own name."""


def find_roles(items: Sequence[Item]) -> dict[int, str]:
    """Return what values are for the ops that read them, looked for from the end backwards."""
    roles = dict.fromkeys(_find_skips(items), SKIP)
    for item in reversed(items):
        if isinstance(item, Loop):
            continue
        for value, role in _roles_of(item, roles):
            roles.setdefault(value, role)
    return roles


def _find_skips(items: Sequence[Item]) -> Iterator[int]:
    """Yield the values that are joined again to what was made of them, as those of a U-Net.

    What a function takes for that alone is one too.
    """
    made: dict[int, int] = {}
    for place, item in enumerate(items):
        made.update(dict.fromkeys(item.makes, place))
    for end, item in enumerate(items):
        read = _find_joined(item)
        if len(set(read)) != 2:
            continue
        skips = []
        for value in read:
            before = items[made.get(value, -1) + 1 : end]
            is_read_before = any(value in line.reads for line in before)
            if is_read_before == (value in made):
                skips.append(value)
        if len(skips) == 1:
            yield skips[0]


def _find_joined(item: Item) -> list[int]:
    """Return the values that a line joins, none where it does something else."""
    if not isinstance(item, Line) or not isinstance(item.tree, CallTree):
        return []
    is_join = item.tree.function == "ops.concatenate" and isinstance(item.tree.args[0], Group)
    return item.reads if is_join else []


def _roles_of(line: Line, roles: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    if not isinstance(line.tree, CallTree):
        return
    name = _target_of(line.tree)
    for argument, role in zip(line.tree.args, ROLES.get(name, ()), strict=False):
        if role and isinstance(argument, Read):
            yield line.reads[argument.place], role
    if is_bare_parameter(line):
        yield line.reads[0], ONES
    if name in PASS_ON and len(line.makes) == 1 and line.makes[0] in roles and line.reads:
        yield line.reads[-1], roles[line.makes[0]]


def _target_of(call: CallTree) -> str:
    """Return what is called as a graph names it, "ops.add" or "layers.Reshape", or ""."""
    match call.function:
        case str(name):
            return name
        case Layer(cls):
            return f"layers.{cls}"
    return ""


def yield_hints(line: Line, roles: Mapping[int, str], place: int = 0) -> Iterator[str]:
    """Yield what a value that a line makes may be called by its role or its submodule."""
    value = line.makes[place]
    if isinstance(line.tree, Append | Group):
        yield LIST_NAME
    elif roles.get(value) == SKIP:
        yield from _yield_numbered(SKIP)
    elif _function_of(line) == "ops.ones_like":
        yield ONES
    elif value in roles:
        yield roles[value]
    elif isinstance(line.tree, Layer):
        yield snake_case(line.tree.cls or "activation")
    else:
        last = line.path.rpartition(".")[2]
        yield SUBMODULES.get(last.lower(), "")


def order_names(names: Iterable[str]) -> list[str]:
    """Return names with those of the main path first, without those of lists and of ones."""
    known = [name for name in dict.fromkeys(names) if name not in (LIST_NAME, ONES)]
    return [n for n in PLAIN_NAMES if n in known] + [n for n in known if n not in PLAIN_NAMES]


def yield_fallback_names(line: Line) -> Iterator[str]:
    """Yield names for a value beside those that are alive: plain ones, then by what makes it."""
    base = _describe(line)
    if is_bare_parameter(line):
        yield base
    yield from PLAIN_NAMES
    yield from _yield_numbered(base)


def _yield_numbered(base: str) -> Iterator[str]:
    """Yield a name, and then the name with letters, without end.

    Nothing is called `conv_a` beside `conv`: the second one is `conv_b`.
    """
    names = yield_names(base)
    yield next(names)
    next(names)
    yield from names


def _layer_name(line: Line) -> str:
    """Return the last word of the name of a line's layer, or ""."""
    function = _function_of(line)
    if not isinstance(function, Layer):
        return ""
    gap = dict(function.arguments)["name"]
    assert isinstance(gap, Gap)
    match line.gaps[gap.place]:
        case Fixed(name):
            return str(name)
        case Text(parts) if parts and isinstance(parts[-1], str):
            return parts[-1]
    return ""


def is_bare_parameter(line: Line) -> bool:
    """Whether a line is a parameter that stands as a layer: its name is not its module's."""
    function = _function_of(line)
    if not isinstance(function, Layer) or function.cls != "Dense":
        return False
    name = _layer_name(line).strip("_")
    own = line.path.rpartition(".")[2] or "dense"
    return bool(name) and not name.endswith(own) and not NUMBER.sub("", name).endswith(own)


def _function_of(line: Line) -> object:
    """Return what a line calls, or the layer that it makes."""
    return line.tree.function if isinstance(line.tree, CallTree) else line.tree


def _describe(line: Line) -> str:
    """Return a name for what a line makes: the module's, or that of the layer or op."""
    if is_bare_parameter(line):
        return identifier(_layer_name(line))
    last = line.path.rpartition(".")[2]
    if last and not last.isdigit():
        return identifier(last)
    match _function_of(line):
        case Layer(cls):
            return snake_case(cls or "activation")
        case str(name):
            return identifier(name.rpartition(".")[2])
    return "part"
