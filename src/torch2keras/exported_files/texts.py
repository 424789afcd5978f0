"""What the texts of an exported program may say.

PyTorch writes names of nodes and arguments into Python code that it runs, evaluates symbolic sizes
with SymPy, compiles guards, and imports what the context of a container names. Each text is held to
the form that `torch.export.save` gives it, and to nothing wider.
"""

from __future__ import annotations

import ast
import json
import keyword
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Check: TypeAlias = Callable[[str], bool]
"""Whether a text has the form that its place asks for."""

LONGEST_NAME = 1000
LONGEST_EXPRESSION = 4000
DEEPEST = 60
"""How deep expressions and containers may be nested."""

LARGEST_EXPONENT = 8
"""No size is a higher power of another: SymPy computes powers of numbers at once."""

LARGEST_NUMBER = 2**63

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
PATH = re.compile(r"(\w+(\.\w+)*)?(@\d+)?", re.ASCII)
"""The path of a module or weight; a module that is called more than once is numbered behind "@"."""

SYMBOL = re.compile(r"[suzf]+\d+", re.ASCII)
WORDS = re.compile(r"[\w ,.+*:=/>\-\[\]()]*", re.ASCII)
"""A text as operators take it: a padding, an equation, a mode of rounding."""

VERSION = re.compile(r"[\w.+\-<=]*", re.ASCII)

FUNCTIONS = frozenset(
    {
        "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt",
        "FloorToInt", "CeilDiv", "IntTrueDiv", "FloatTrueDiv", "TruncToFloat", "TruncToInt",
        "RoundToInt", "ToFloat", "Identity", "Max", "Min", "Eq", "Ne", "Ge", "Gt", "Le", "Lt",
        "And", "Or", "Not", "Add", "Mul", "floor", "ceiling", "Integer",
    }
)  # fmt: skip
"""What a symbolic size may call: PyTorch's and SymPy's arithmetic of integers."""

CONTAINERS = frozenset(
    {"builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", None}
)
"""What inputs and outputs may be nested in; None stands for a leaf."""


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a variable in Python code, and nothing else."""
    return (
        len(text) <= LONGEST_NAME
        and IDENTIFIER.fullmatch(text) is not None
        and not keyword.iskeyword(text)
        and not text.startswith("__")
    )


def is_argument_name(text: str) -> bool:
    """Return whether a text is the name of an argument; an argument by place may have none."""
    return not text or is_name(text)


def is_path(text: str) -> bool:
    """Return whether a text is the path of a module or weight."""
    return len(text) <= LONGEST_NAME and PATH.fullmatch(text) is not None


def is_words(text: str) -> bool:
    """Return whether a text is one that operators take."""
    return len(text) <= LONGEST_NAME and WORDS.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Return whether a text is the version of a package, or a bound for one."""
    return len(text) <= LONGEST_NAME and VERSION.fullmatch(text) is not None


def is_anything(text: str) -> bool:
    """Return True: such a text is shown to people, escaped, and never acted upon."""
    return len(text) < LONGEST_NAME**2 and "\0" not in text


# Symbolic sizes and guards.


def is_symbolic(text: str) -> bool:
    """Return whether a text is arithmetic of symbols and numbers, as SymPy writes sizes."""
    return _is_expression(text, _is_symbol)


def is_guard(text: str) -> bool:
    """Return whether a text compares sizes of inputs, as in `L['x'].size()[1] == 7`."""
    return _is_expression(text, _is_size)


def _is_expression(text: str, is_operand: Callable[[ast.expr], bool]) -> bool:
    if len(text) > LONGEST_EXPRESSION or not text.isascii():
        return False
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return _is_arithmetic(tree, is_operand, DEEPEST)


def _is_arithmetic(node: ast.expr, is_operand: Callable[[ast.expr], bool], depth: int) -> bool:
    """Return whether a tree is made of operands, numbers, operators and calls of FUNCTIONS."""
    if depth == 0:
        return False
    if is_operand(node) or _is_number(node):
        return True
    parts = _list_parts(node)
    return bool(parts) and all(_is_arithmetic(part, is_operand, depth - 1) for part in parts)


def _list_parts(node: ast.expr) -> list[ast.expr]:
    """Return what an operator or an allowed function is applied to; nothing for anything else."""
    match node:
        case ast.BinOp(left, ast.Pow(), right):
            is_small = _is_number(right) and ast.literal_eval(right) <= LARGEST_EXPONENT
            return [left] if is_small else []
        case ast.BinOp(left, ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right):
            return [left, right]
        case ast.BinOp(left, ast.FloorDiv() | ast.Mod(), right):
            return [left, right]
        case ast.UnaryOp(ast.USub() | ast.UAdd() | ast.Not(), operand):
            return [operand]
        case ast.BoolOp(_, values):
            return values
        case ast.Compare(left, _, comparators):
            return [left, *comparators]
        case ast.Call(ast.Name(name), arguments, []) if name in FUNCTIONS:
            return arguments
    return []


def _is_number(node: ast.expr) -> bool:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, int | float):
        return False
    return abs(node.value) <= LARGEST_NUMBER


def _is_symbol(node: ast.expr) -> bool:
    """Return whether a node is `s3`, or `Symbol('s3', positive=True, integer=True)`."""
    match node:
        case ast.Name(name):
            return SYMBOL.fullmatch(name) is not None
        case ast.Call(ast.Name("Symbol"), [ast.Constant(str(name))], assumptions):
            are_flags = [_is_flag(assumption) for assumption in assumptions]
            return SYMBOL.fullmatch(name) is not None and all(are_flags)
    return False


def _is_flag(assumption: ast.keyword) -> bool:
    if assumption.arg not in ("positive", "integer", "nonnegative", "real", "negative"):
        return False
    return isinstance(assumption.value, ast.Constant) and isinstance(assumption.value.value, bool)


def _is_size(node: ast.expr) -> bool:
    """Return whether a node is a size of an input: `L['x'].size()[1]`, `L['x'][0].size()[1]`."""
    match node:
        case ast.Subscript(ast.Call(ast.Attribute(value, "size"), [], []), ast.Constant(int())):
            return _is_input(value)
    return False


def _is_input(node: ast.expr) -> bool:
    """Return whether a node is `L['x']`, or a part of it by place or by name."""
    match node:
        case ast.Subscript(ast.Name("L"), ast.Constant(str(name))):
            return is_name(name)
        case ast.Subscript(value, ast.Constant(int())):
            return _is_input(value)
        case ast.Subscript(value, ast.Constant(str(name))):
            return is_name(name) and _is_input(value)
    return False


# Texts that hold JSON.


def is_tree(text: str) -> bool:
    """Return whether a text describes containers of Python's own, as `treespec_dumps` writes it."""
    loaded = _load_json(text)
    match loaded:
        case [1, dict() as tree]:
            return _is_container(tree, DEEPEST)
    return False


def _is_container(tree: Any, depth: int) -> bool:
    if depth == 0 or not isinstance(tree, Mapping):
        return False
    if set(tree) != {"type", "context", "children_spec"} or tree["type"] not in CONTAINERS:
        return False
    children, context = tree["children_spec"], tree["context"]
    if not isinstance(children, list) or not _is_context(context):
        return False
    return all(_is_container(child, depth - 1) for child in children)


def _is_context(context: Any) -> bool:
    """Return whether the context of a container is nothing, or a list of keys."""
    if context is None:
        return True
    keys = _load_json(context) if isinstance(context, str) else context
    if keys is None:
        return bool(context == "null")
    return isinstance(keys, list) and all(isinstance(key, str | int) for key in keys)


def is_data(text: str) -> bool:
    """Return whether a text is JSON that nests no deeper than people write it."""
    return _load_json(text) is not None


def _load_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
