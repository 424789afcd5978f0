"""Example inputs as they are written on the command line: `2,1,1024`, `2,1,length=1024`, `mask:2,77:int64`.

Sizes stand in PyTorch's order. A name before a size makes that dimension dynamic; which dynamic sizes must be equal,
torch.export finds out. A name before the shape is that of the parameter of forward; else inputs go by position.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from torch2keras.errors import InputError

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


SIZE = re.compile(r"(?:(?P<name>[^\W\d]\w*)=)?(?P<size>\d+)", re.ASCII)


SCALAR = "scalar"


@dataclass(frozen=True)
class InputShape:
    """One example input: sizes in PyTorch's order, the names of the dynamic ones, a dtype, forward's parameter."""

    sizes: tuple[int, ...]
    names: tuple[str | None, ...]
    dtype: str = "float32"
    parameter: str = ""


def parse_shape(text: str) -> InputShape:
    """An input as written. Raises InputError where the text has another form."""
    first, colon, rest = text.partition(":")
    if first.isidentifier() and first != SCALAR and colon:
        return replace(parse_shape(rest), parameter=first)
    shape, colon, dtype = text.partition(":")
    if colon and dtype not in DTYPES:
        raise InputError(
            f"the input {text!r} has no known dtype",
            [("dtypes", ", ".join(DTYPES)), ("next", f"write {shape}:int64, for example")],
        )
    if shape.strip() == SCALAR:
        return InputShape((), (), dtype or "float32")
    found = [SIZE.fullmatch(part.strip()) for part in shape.split(",")]
    matches = [m for m in found if m is not None]
    if len(matches) != len(found):
        raise InputError(
            f"the input {text!r} is no shape",
            [
                (
                    "form",
                    "[PARAMETER:]SIZE,SIZE,...[:DTYPE], in PyTorch's order; NAME=SIZE for a dynamic dimension",
                ),
                ("next", "for example 2,1,1024 or 2,77:int64 or 2,1,length=1024"),
            ],
        )
    return InputShape(
        tuple(int(m["size"]) for m in matches),
        tuple(m["name"] for m in matches),
        dtype or "float32",
    )


def parse_plain_shape(text: str) -> tuple[int, ...]:
    """Sizes alone. Raises InputError where the text has another form, or a name or dtype."""
    shape = parse_shape(text)
    if any(shape.names) or ":" in text:
        raise InputError(
            f"the input {text!r} has a name or a dtype",
            [("next", "give sizes alone, for example 2,3,1024")],
        )
    return shape.sizes


def example_call(
    shapes: Sequence[InputShape],
) -> tuple[tuple[torch.Tensor, ...], dict[str, torch.Tensor]]:
    """Positional and keyword arguments. Floats are drawn from N(0, 1); integers are 0 or 1, which every embedding has.

    Raises InputError where some inputs have a name and others none.
    """
    import torch

    generator = torch.Generator().manual_seed(0)

    def draw(shape: InputShape) -> torch.Tensor:
        dtype = getattr(torch, shape.dtype)
        if dtype.is_floating_point:
            return torch.randn(shape.sizes, generator=generator).to(dtype)
        return torch.randint(0, 2, shape.sizes, generator=generator).to(dtype)

    named = [shape.parameter for shape in shapes if shape.parameter]
    if named and len(named) < len(shapes):
        raise InputError(
            "some inputs have a name and others none", [("next", "name them all, or none of them")]
        )
    tensors = tuple(map(draw, shapes))
    return ((), dict(zip(named, tensors, strict=True))) if named else (tensors, {})


def dynamic_shapes(shapes: Sequence[InputShape]) -> Any:
    """torch.export's `dynamic_shapes` for the named sizes; None where there are none, so that the batch alone is."""
    from torch.export import Dim

    if not any(any(shape.names) for shape in shapes):
        return None

    def dims(shape: InputShape) -> dict[int, Any]:
        batch = {0: Dim.AUTO} if shape.sizes else {}
        # Not Dim(name): that one fails where a length of 1 would be special, as behind a stride it always is.
        return batch | {d: Dim.DYNAMIC for d, name in enumerate(shape.names) if name}

    if any(shape.parameter for shape in shapes):
        return {shape.parameter: dims(shape) for shape in shapes}
    return tuple(dims(shape) for shape in shapes)
