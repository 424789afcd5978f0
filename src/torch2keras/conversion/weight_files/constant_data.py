"""Constants of the PyTorch graph as data: names, moves and the ops that fold them, and back.

What is written is JSON; the values of tensors without a name go beside it. What is read may be a
stranger's: an op is taken only where it is a pure function of ATen's or of ours.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sympy
import torch

from torch2keras.errors import InputError
from torch2keras.graph.element_moves import (
    Apply,
    ElementMove,
    Flip,
    Narrow,
    Permute,
    Reshape,
    Take,
    element_numbers,
)
from torch2keras.graph.ir import Constant, Node, TensorType, keras_dtype

Data = dict[str, Any]

NAMESPACES = ("aten", "torch2keras")
"""The libraries whose ops may fold a constant."""

MAKERS = ("aten::arange", "aten::eye", "aten::full", "aten::linspace", "aten::ones", "aten::zeros")
"""The ops that take no tensor and may stand in a recipe."""


class ConstantWriter:
    """Writes constants, each once."""

    def __init__(self) -> None:
        self.tensors: list[Data] = []
        """The tensors that moves start from: shape, dtype, and the name of its values if any."""
        self.constants: list[Data] = []
        self.nodes: list[Data] = []
        self.values: dict[str, torch.Tensor] = {}
        """The values of tensors without a name, by name in the file beside."""
        self._places: dict[Any, int] = {}

    def write(self, constant: Constant) -> int:
        """Return the number of a constant. Raises InputError where a recipe cannot be written."""
        if constant in self._places:
            return self._places[constant]
        recipe = None
        if constant.recipe is not None:
            node, result = constant.recipe
            recipe = {"node": self._write_node(node), "result": result}
        is_known = bool(constant.paths) or recipe is not None
        written = {
            "tensor": self._write_tensor(constant.tensor, is_known=is_known),
            "paths": list(constant.paths),
            "trainable": constant.trainable,
            "dtype": keras_dtype(constant.type.dtype),
            "moves": write_moves(constant.moves, constant.tensor.shape),
            "recipe": recipe,
        }
        self._places[constant] = len(self.constants)
        self.constants.append(written)
        return self._places[constant]

    def _write_tensor(self, tensor: torch.Tensor, *, is_known: bool) -> int:
        key = id(tensor), is_known
        if key not in self._places:
            number = self._places[key] = len(self.tensors)
            entry: Data = {"shape": list(tensor.shape), "dtype": keras_dtype(tensor.dtype)}
            if not is_known:
                entry["kept"] = f"constant.{number}"
                self.values[entry["kept"]] = tensor.detach()
            self.tensors.append(entry)
        return self._places[key]

    def _write_node(self, node: Node) -> int:
        if node not in self._places:
            args = {name: self._write_argument(value) for name, value in node.args.items()}
            self._places[node] = len(self.nodes)
            self.nodes.append({"op": _name_op(node.op), "args": args})
        return self._places[node]

    def _write_argument(self, value: Any) -> Any:
        if isinstance(value, Constant):
            return {"constant": self.write(value)}
        return write_argument(value, self._write_argument)


class ConstantReader:
    """Reads constants that a ConstantWriter has written, each once."""

    def __init__(self, data: Mapping[str, Any], values: Mapping[str, torch.Tensor]) -> None:
        self._data = data
        self._tensors = [_read_tensor(entry, values) for entry in data["tensors"]]
        self._constants: dict[int, Constant] = {}
        self._nodes: dict[int, Node] = {}

    def read(self, number: int) -> Constant:
        """Return a constant; the values of its tensor are there where they are no state's."""
        if number not in self._constants:
            written = self._data["constants"][number]
            recipe = None
            if written["recipe"] is not None:
                node = self._read_node(written["recipe"]["node"])
                recipe = node, int(written["recipe"]["result"])
            moves = read_moves(written["moves"])
            tensor = self._tensors[written["tensor"]]
            shape = _measure_shape(tensor, moves)
            self._constants[number] = Constant(
                f"constant_{number}",
                TensorType(shape, read_dtype(written["dtype"])),
                tensor,
                tuple(map(str, written["paths"])),
                bool(written["trainable"]),
                moves,
                recipe=recipe,
            )
        return self._constants[number]

    def _read_node(self, number: int) -> Node:
        if number not in self._nodes:
            written = self._data["nodes"][number]
            args = {name: self._read_argument(value) for name, value in written["args"].items()}
            self._nodes[number] = Node(find_op(written["op"]), args, ())
        return self._nodes[number]

    def _read_argument(self, value: Any) -> Any:
        if isinstance(value, dict) and "constant" in value:
            return self.read(value["constant"])
        return read_argument(value, self._read_argument)


def _read_tensor(entry: Mapping[str, Any], values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if "kept" in entry:
        return values[entry["kept"]]
    return torch.empty(entry["shape"], dtype=read_dtype(entry["dtype"]), device="meta")


def _measure_shape(tensor: torch.Tensor, moves: Sequence[ElementMove]) -> tuple[int, ...]:
    moved = torch.empty(tensor.shape, device="meta")
    for move in moves:
        moved = torch.empty(move(moved).shape, device="meta")
    return tuple(moved.shape)


# Moves.


def write_moves(moves: Sequence[ElementMove], shape: Sequence[int]) -> list[Data]:
    """Return moves of a tensor of this shape as data, each a mapping of its name to its options."""
    written: list[Data] = []
    for move in moves:
        numbers = element_numbers(tuple(shape), [move])
        if isinstance(move, Apply) and _is_range(numbers):
            written += _write_range(numbers)
        else:
            written.append(_write_move(move))
        shape = numbers.shape
    return written


def _is_range(numbers: torch.Tensor) -> bool:
    """Return whether elements follow on each other in the flat tensor."""
    return numbers.numel() > 0 and bool((numbers.reshape(-1).diff() == 1).all())


def _write_range(numbers: torch.Tensor) -> list[Data]:
    """Return what an op picks as a part of the flat tensor: moves that any reader knows."""
    start, stop = int(numbers.min()), int(numbers.max()) + 1
    return [{"reshape": [-1]}, {"narrow": [0, start, stop]}, {"reshape": list(numbers.shape)}]


def _write_move(move: ElementMove) -> Data:
    match move:
        case Reshape(shape):
            return {"reshape": list(shape)}
        case Permute(order):
            return {"permute": list(order)}
        case Narrow(dim, start, stop):
            return {"narrow": [dim, start, stop]}
        case Flip(dims):
            return {"flip": list(dims)}
        case Take(dim, order):
            return {"take": [dim, list(order)]}
        case Apply(op, name, args, result):
            written = {key: write_argument(value, write_argument_leaf) for key, value in args}
            return {"apply": _name_op(op), "tensor": name, "args": written, "result": result}
    raise _cannot_write(type(move).__name__)


def read_moves(written: Sequence[Mapping[str, Any]]) -> tuple[ElementMove, ...]:
    """Return the moves that `write_moves` has written."""
    return tuple(map(_read_move, written))


def _read_move(written: Mapping[str, Any]) -> ElementMove:
    match written:
        case {"reshape": shape}:
            return Reshape(tuple(shape))
        case {"permute": order}:
            return Permute(tuple(order))
        case {"narrow": [dim, start, stop]}:
            return Narrow(dim, start, stop)
        case {"flip": dims}:
            return Flip(tuple(dims))
        case {"take": [dim, order]}:
            return Take(dim, tuple(order))
        case {"apply": op, "tensor": name, "args": args, "result": result}:
            read = [(key, _freeze(read_argument(a, read_argument_leaf))) for key, a in args.items()]
            return Apply(find_op(op), name, tuple(read), result)
    raise ValueError(written)


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


# Ops and their arguments.


def _name_op(op: torch._ops.OpOverload) -> str:
    schema = op._schema
    return f"{schema.name}.{schema.overload_name or 'default'}"


def find_op(name: str) -> torch._ops.OpOverload:
    """Return the op of a name, "aten::add.Tensor". Raises ValueError where it is none to be run."""
    path, _, overload = name.partition(".")
    library, _, packet = path.partition("::")
    if library not in NAMESPACES:
        raise ValueError(name)
    op: torch._ops.OpOverload = getattr(getattr(getattr(torch.ops, library), packet), overload)
    schema = op._schema
    has_tensor = any("Tensor" in str(argument.type) for argument in schema.arguments)
    if schema.is_mutable or not (has_tensor or path in MAKERS):
        raise ValueError(name)
    return op


def write_argument(value: Any, write_leaf: Any) -> Any:
    """Return an argument of an op as data; `write_leaf` writes the members of a list."""
    if isinstance(value, list | tuple):
        return {"list": [write_leaf(item) for item in value]}
    return write_argument_leaf(value)


_ENUMS: Mapping[str, type] = {
    "dtype": torch.dtype,
    "layout": torch.layout,
    "memory_format": torch.memory_format,
}


def write_argument_leaf(value: Any) -> Any:
    """Return an argument that is no list as data. Raises InputError where it has no form."""
    if isinstance(value, sympy.Integer):
        return int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, torch.device):
        return {"device": "cpu"}
    for name, kind in _ENUMS.items():
        if isinstance(value, kind):
            return {name: str(value).removeprefix("torch.")}
    raise _cannot_write(type(value).__name__)


def read_argument(value: Any, read_leaf: Any) -> Any:
    """Return the argument that `write_argument` has written."""
    if isinstance(value, dict) and "list" in value:
        return [read_leaf(item) for item in value["list"]]
    return read_argument_leaf(value)


def read_argument_leaf(value: Any) -> Any:
    """Return the argument that `write_argument_leaf` has written."""
    if not isinstance(value, dict):
        return value
    ((name, text),) = value.items()
    if name == "float":
        return float(text)
    if name == "device":
        return torch.device("cpu")
    found = getattr(torch, str(text))
    if not isinstance(found, _ENUMS[name]):
        raise TypeError(text)
    return found


def read_dtype(name: str) -> torch.dtype:
    """Return a dtype of PyTorch by its name. Raises TypeError where it is none."""
    dtype = getattr(torch, str(name), None)
    if not isinstance(dtype, torch.dtype):
        raise TypeError(name)
    return dtype


def _cannot_write(what: str) -> InputError:
    return InputError(
        f"a weight is computed with a {what}, which a file has no form for",
        [("next", "keep the Converted, and use its state_dict and load_state_dict")],
    )
