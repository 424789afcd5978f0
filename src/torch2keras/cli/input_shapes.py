"""Example inputs as they are written on the command line.

    2,1,1024           sizes
    2,1,length=1024    a size with a name is dynamic
    mask:2,77:int64    the parameter of forward, and a dtype

Sizes stand in PyTorch's order. A name before a size makes that dimension dynamic; which dynamic
sizes must be equal, torch.export finds out. A name before the shape is that of the parameter of
forward; else inputs go by position.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from torch2keras.errors import InputError
from torch2keras.runtime.free_memory import require_bytes

if TYPE_CHECKING:  # parsing needs no PyTorch, and `torch2keras --help` is to answer at once
    import torch

DTYPES = (
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)


DEFAULT_DTYPE = "float32"


SIZE = re.compile(r"(?:(?P<name>[^\W\d]\w*)=)?(?P<size>\d+)", re.ASCII)
"""A size, or a name and a size: `1024`, `length=1024`."""


MOST_DIGITS = 18
"""What a size of PyTorch's holds."""


COPIES = 10
"""Conversion and verification hold as many copies of an example at once, some in float64."""


SCALAR = "scalar"
"""How a shape without dimensions is written."""


@dataclass(frozen=True)
class InputShape:
    """One example input."""

    sizes: tuple[int, ...]
    """In PyTorch's order."""
    names: tuple[str | None, ...]
    """For each dimension the name that makes it dynamic, or None."""
    dtype: str = DEFAULT_DTYPE
    parameter: str = ""
    """The parameter of forward; empty where inputs go by position."""


def parse_shape(text: str) -> InputShape:
    """Return the input that the text describes.

    Raises InputError where the text has another form.
    """
    first, colon, rest = text.partition(":")
    if colon and first.isidentifier() and first != SCALAR:
        return replace(parse_shape(rest), parameter=first)
    shape, colon, dtype = text.partition(":")
    if not colon:
        dtype = DEFAULT_DTYPE
    elif dtype not in DTYPES:
        raise InputError(
            f"the input {text!r} has no known dtype",
            [("dtypes", ", ".join(DTYPES)), ("next", f"write {shape}:int64, for example")],
        )
    if shape.strip() == SCALAR:
        return InputShape((), (), dtype)
    return _parse_sizes(shape, dtype, text)


def _parse_sizes(shape: str, dtype: str, text: str) -> InputShape:
    """Return the input of this shape; `text` is all that was written. Raises InputError."""
    sizes, names = [], []
    for part in shape.split(","):
        found = SIZE.fullmatch(part.strip())
        if found is None:
            raise _shape_error(text)
        if len(found["size"]) > MOST_DIGITS:
            step = f"a size has at most {MOST_DIGITS} digits"
            raise InputError("an input asks for more memory than there is", [("next", step)])
        sizes.append(int(found["size"]))
        names.append(found["name"])
    return InputShape(tuple(sizes), tuple(names), dtype)


def _shape_error(text: str) -> InputError:
    form = (
        "[PARAMETER:]SIZE,SIZE,...[:DTYPE], in PyTorch's order; NAME=SIZE for a dynamic dimension"
    )
    step = "for example 2,1,1024 or 2,77:int64 or 2,1,length=1024"
    return InputError(f"the input {text!r} is no shape", [("form", form), ("next", step)])


def parse_plain_shape(text: str) -> tuple[int, ...]:
    """Return sizes. Raises InputError where the text has another form, or a name or dtype."""
    shape = parse_shape(text)
    if any(shape.names) or ":" in text:
        raise InputError(
            f"the input {text!r} has a name or a dtype",
            [("next", "give sizes alone, for example 2,3,1024")],
        )
    return shape.sizes


def build_example(
    shapes: Sequence[InputShape],
) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """Return positional and keyword arguments of these shapes, the same ones at each call.

    Floats are drawn from N(0, 1); integers are 0 or 1, which every embedding has.
    Raises InputError where some inputs have a name and others none.
    """
    import torch

    named = [shape.parameter for shape in shapes if shape.parameter]
    if named and len(named) < len(shapes):
        raise InputError(
            "some inputs have a name and others none", [("next", "name them all, or none of them")]
        )
    for shape in shapes:
        size = math.prod(shape.sizes) * getattr(torch, shape.dtype).itemsize
        require_bytes(COPIES * size, f"the input {','.join(map(str, shape.sizes))}")
    generator = torch.Generator().manual_seed(0)
    tensors = [_draw(shape, generator) for shape in shapes]
    if named:
        return (), dict(zip(named, tensors, strict=True))
    return tuple(tensors), {}


def _draw(shape: InputShape, generator: torch.Generator) -> torch.Tensor:
    import torch

    dtype = getattr(torch, shape.dtype)
    if dtype.is_floating_point:
        return torch.randn(shape.sizes, generator=generator).to(dtype)
    return torch.randint(0, 2, shape.sizes, generator=generator).to(dtype)


def build_dynamic_shapes(shapes: Sequence[InputShape]) -> Any:
    """Return torch.export's `dynamic_shapes` for the named sizes; None where no size has a name.

    It is a dict by parameter where the inputs name theirs, else a tuple.
    """
    if not any(any(shape.names) for shape in shapes):
        return None
    if any(shape.parameter for shape in shapes):
        return {shape.parameter: _dynamic_dims(shape) for shape in shapes}
    return tuple(_dynamic_dims(shape) for shape in shapes)


def _dynamic_dims(shape: InputShape) -> dict[int, Any]:
    from torch.export import Dim

    dims: dict[int, Any] = {}
    if shape.sizes:
        dims[0] = Dim.AUTO
    for number, name in enumerate(shape.names):
        if name:
            # Not Dim(name): it fails where a length of 1 would be special, as after a stride it is.
            dims[number] = Dim.DYNAMIC
    return dims
