"""What may stand where a call has a constant: the number itself, an argument, or a sum of them.

The constants of a call are its gaps. As long as a line belongs to one place alone its gaps are
`Fixed`; where several places share a line, a gap that differs among them is read from an argument
of the function, or from a variable of a loop.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np


@dataclass(frozen=True)
class Array:
    """A constant tensor that stands in the code: its values as nested lists, and its dtype."""

    values: Any
    dtype: str
    empty_shape: tuple[int, ...] = ()
    """The sizes of a tensor without elements, which the values do not tell."""


@dataclass(frozen=True)
class LayerKind:
    """A layer's class with its arguments, as what a function may be given: an activation."""

    cls: str
    arguments: tuple[tuple[str, Any], ...]

    def texts(self) -> list[str]:
        """Return the arguments as Python, the name of an activation by position."""
        shown = []
        for key, value in self.arguments:
            text = constant_text(value)
            shown.append(text if key == "activation" else f"{key}={text}")
        return shown


@dataclass(frozen=True)
class Fixed:
    """A constant: a number, a text, None, an Array, or tuples and lists of them."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fixed) and other.key == self.key

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def key(self) -> str:
        """What tells 1, 1.0 and True apart."""
        return repr(self.value)


@dataclass(frozen=True)
class Variable:
    """An argument of the function, or a variable of a loop around."""

    name: str


NAME = Variable("name")
"""The argument that every function has: the name of the piece, with which its layers' begin."""


@dataclass(frozen=True)
class Scaled:
    """A multiple or part of a variable, `4 * filters`, and a number more: `i + 1`."""

    variable: str
    factor: int = 1
    offset: int = 0
    divisor: int = 1


@dataclass(frozen=True)
class PowerOfTwo:
    """`2**i`, or `2**(i + 1)`."""

    exponent: Scaled


@dataclass(frozen=True)
class Text:
    """A text made of parts, as f"{name}_{i}"."""

    parts: tuple[str | Expression, ...]


@dataclass(frozen=True)
class Condition:
    """A condition: `strides > 1`, or an argument that is true or false."""

    variable: str
    operator: str = ""
    """Nothing for the variable itself."""
    value: Any = None


@dataclass(frozen=True)
class ChannelCondition:
    """`x.shape[-1] != filters`, and what else must hold; only where a function begins."""

    read: int
    """The value whose channels are compared; its name is not known before it is written."""
    operator: str
    variable: str
    also: Condition | None = None


@dataclass(frozen=True)
class Choice:
    """`then if condition else otherwise`."""

    condition: Condition
    then: Expression
    otherwise: Expression


Expression: TypeAlias = Fixed | Variable | Scaled | PowerOfTwo | Text | Choice


def constant_text(value: Any) -> str:
    """Return a constant as Python."""
    match value:
        case float():
            is_number = math.isfinite(value)
            return repr(value).replace("e+", "e") if is_number else f'float("{value}")'
        case str():
            return quote(value)
        case Array():
            return _array_text(value)
        case LayerKind(cls, arguments):
            if not arguments:
                return f"layers.{cls}"
            return f"partial(layers.{cls}, {', '.join(value.texts())})"
        case slice():
            return f"slice({value.start}, {value.stop}, {value.step})"
        case tuple():
            return tuple_text(map(constant_text, value))
        case list():
            return list_text(map(constant_text, value))
    return "..." if value is ... else repr(value)


def list_text(items: Iterable[str]) -> str:
    """Return the texts of some items as that of a list of them."""
    return f"[{', '.join(items)}]"


def tuple_text(items: Iterable[str]) -> str:
    """Return the texts of some items as that of a tuple of them."""
    listed = list(items)
    if len(listed) == 1:
        return f"({listed[0]},)"
    return f"({', '.join(listed)})"


def quote(text: str) -> str:
    """Return a text as a Python literal in double quotes, all but plain ASCII escaped.

    So are double quotes, as hexadecimal: no quote stands within the literal, whoever reads it.
    """
    plain = text.encode("unicode_escape").decode("ascii").replace('"', r"\x22")
    return f'"{plain}"'


def _array_text(array: Array) -> str:
    """Return a tensor as NumPy: a range or one number where it is that, else its values."""
    dtype = quote(array.dtype)
    if array.empty_shape:
        return f"np.zeros({array.empty_shape}, {dtype})"
    values = np.array(array.values)
    texts = set(map(constant_text, values.ravel().tolist()))
    if values.size > 1 and len(texts) == 1:
        element = constant_text(_shorten(values.flat[0].item(), array.dtype))
        return f"np.full({values.shape}, {element}, {dtype})"
    if values.size > 2 and values.dtype.kind == "i":
        start = int(values.flat[0])
        stop = start + values.size
        if (values.ravel() == np.arange(start, stop)).all():
            bounds = f"{start}, {stop}" if start else f"{stop}"
            shape = f".reshape{values.shape}" if values.ndim > 1 else ""
            return f"np.arange({bounds}, dtype={dtype}){shape}"
    return f"np.array({constant_text(_shorten(array.values, array.dtype))}, {dtype})"


def _shorten(values: Any, dtype: str) -> Any:
    """Return numbers in single or half precision with no more digits than these take."""
    if isinstance(values, list):
        return [_shorten(value, dtype) for value in values]
    if dtype in ("float32", "float16") and isinstance(values, float):
        return float(str(np.dtype(dtype).type(values)))
    return values


def expression_text(expression: Expression) -> str:
    """Return an expression as Python."""
    match expression:
        case Fixed(value):
            return constant_text(value)
        case Variable(name):
            return name
        case Scaled():
            return _multiple_text(expression)
        case PowerOfTwo(exponent):
            inner = expression_text(exponent)
            return f"2**{inner}" if inner.isidentifier() else f"2 ** ({inner})"
        case Text(parts):
            return _f_string(parts)
        case Choice(condition, then, otherwise):
            chosen = expression_text(then)
            return f"{chosen} if {condition_text(condition)} else {expression_text(otherwise)}"
    raise AssertionError(expression)


def _multiple_text(scaled: Scaled) -> str:
    text = scaled.variable
    if scaled.factor != 1:
        text = f"{scaled.factor} * {text}"
    if scaled.divisor > 1:
        text = f"{text} // {scaled.divisor}"
    if scaled.offset > 0:
        text = f"{text} + {scaled.offset}"
    elif scaled.offset < 0:
        text = f"{text} - {-scaled.offset}"
    return text


def condition_text(condition: Condition) -> str:
    """Return a condition as Python."""
    if not condition.operator:
        return condition.variable
    return f"{condition.variable} {condition.operator} {constant_text(condition.value)}"


def local_text(local: Expression | ChannelCondition, names: Mapping[int, str]) -> str:
    """Return what a function's local variable is, as Python, by the names of values."""
    if not isinstance(local, ChannelCondition):
        return expression_text(local)
    text = f"{names[local.read]}.shape[-1] {local.operator} {local.variable}"
    if local.also is None:
        return text
    return f"{condition_text(local.also)} and {text}"


def _f_string(parts: tuple[str | Expression, ...]) -> str:
    if parts == (NAME,):
        return NAME.name
    if all(isinstance(part, str) for part in parts):
        return quote("".join(map(str, parts)))
    inner = ""
    for part in parts:
        if isinstance(part, str):
            inner += quote(part)[1:-1].replace("{", "{{").replace("}", "}}")
        else:
            inner += f"{{{expression_text(part)}}}"
    return f'f"{inner}"'


def join_text(parts: tuple[str | Expression, ...]) -> Text:
    """Return a Text with neighbouring plain parts as one."""
    joined: list[str | Expression] = []
    for part in parts:
        if isinstance(part, str) and joined and isinstance(joined[-1], str):
            joined[-1] += part
        elif part != "":
            joined.append(part)
    return Text(tuple(joined))


def map_parts(text: Text, change: Callable[[str], str | Expression]) -> Text:
    """Return a Text with each plain part exchanged."""
    return join_text(tuple(change(p) if isinstance(p, str) else p for p in text.parts))


def tokens_of(value: Expression) -> list[Any]:
    """Return a text cut into its numbers and what is between, other parts as they are."""
    if isinstance(value, Fixed) and isinstance(value.value, str):
        return re.findall(r"\d+|\D+", value.value)
    tokens: list[Any] = []
    if isinstance(value, Text):
        for part in value.parts:
            tokens += re.findall(r"\d+|\D+", part) if isinstance(part, str) else [part]
    return tokens
