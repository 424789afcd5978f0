"""The fields of an exported program's description, each held to its type and its form.

The description is JSON that PyTorch reads into the dataclasses of its schema. It is walked along
those same classes, so that nothing of it is read that was not looked at: a text without a form
here, a field that the schema has not, or a class that is not listed is refused.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import UnionType
from typing import Annotated, Any

from torch._export.serde import schema

from torch2keras.exported_files import texts
from torch2keras.exported_files.operators import is_operator

REFUSED: Mapping[str, str] = {
    "CustomObjArgument": "an object of a class of somebody's, which is unpickled",
    "InputToCustomObjSpec": "an object of a class of somebody's, which is unpickled",
    "TokenArgument": "a token that orders effects",
    "InputTokenSpec": "a token that orders effects",
    "OutputTokenSpec": "a token that orders effects",
    "NamedTupleDef": "a named tuple of a class of somebody's",
}
"""Classes of the schema that no program which can be converted needs, and what they stand for."""


FORMS: Mapping[tuple[str, str], texts.Check] = {
    ("SymExpr", "expr_str"): texts.is_symbolic,
    ("Device", "type"): {"cpu"}.__contains__,
    ("SymIntArgument", "as_name"): texts.is_name,
    ("SymFloatArgument", "as_name"): texts.is_name,
    ("SymBoolArgument", "as_name"): texts.is_name,
    ("TensorArgument", "name"): texts.is_name,
    ("GraphArgument", "name"): texts.is_name,
    ("Argument", "as_string"): texts.is_words,
    ("Argument", "as_strings"): texts.is_words,
    ("NamedArgument", "name"): texts.is_argument_name,
    ("Node", "target"): is_operator,
    ("Node", "name"): texts.is_name,
    ("Graph", "tensor_values"): texts.is_name,
    ("Graph", "sym_int_values"): texts.is_name,
    ("Graph", "sym_bool_values"): texts.is_name,
    ("Graph", "sym_float_values"): texts.is_name,
    ("ConstantValue", "as_string"): texts.is_words,
    ("InputToConstantInputSpec", "name"): texts.is_name,
    ("InputToParameterSpec", "parameter_name"): texts.is_path,
    ("InputToBufferSpec", "buffer_name"): texts.is_path,
    ("InputToTensorConstantSpec", "tensor_constant_name"): texts.is_path,
    ("BufferMutationSpec", "buffer_name"): texts.is_path,
    ("ParameterMutationSpec", "parameter_name"): texts.is_path,
    ("GradientToParameterSpec", "parameter_name"): texts.is_path,
    ("GradientToUserInputSpec", "user_input_name"): texts.is_name,
    ("UserInputMutationSpec", "user_input_name"): texts.is_name,
    ("ModuleCallSignature", "in_spec"): texts.is_tree,
    ("ModuleCallSignature", "out_spec"): texts.is_tree,
    ("ModuleCallSignature", "forward_arg_names"): texts.is_name,
    ("ModuleCallEntry", "fqn"): texts.is_path,
    ("ExportedProgram", "opset_version"): texts.is_name,
    ("ExportedProgram", "range_constraints"): texts.is_symbolic,
    ("ExportedProgram", "verifiers"): {"TRAINING", "ATEN", ""}.__contains__,
    ("ExportedProgram", "torch_version"): texts.is_version,
    ("ExportedProgram", "guards_code"): texts.is_guard,
    ("PayloadConfig", "config"): texts.is_path,
    ("PayloadMeta", "path_name"): texts.is_name,
}
"""The form of a field's text, of each text of its list, or of each key of its dictionary."""


METADATA: Mapping[str, texts.Check] = {
    "stack_trace": texts.is_anything,
    "nn_module_stack": texts.is_anything,
    "torch_fn": texts.is_anything,
    "source_fn_stack": texts.is_words,
    "custom": texts.is_data,
    "from_node": texts.is_data,
}
"""What a node or a program may say beside itself. Only people read it."""


DEEPEST = 100
"""How deep a description may be nested; a block without gradients takes six steps."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """What a description has that it may not have."""

    place: str
    """As `graph_module.graph.nodes[3].target`."""
    what: str


def find_fault(cls: type, data: Any, place: str = "") -> Fault | None:
    """Return the first fault of a description that is to be read as a class of the schema."""
    return next(_yield_faults(cls, data, place, DEEPEST), None)


def _yield_faults(cls: type, data: Any, place: str, depth: int) -> Iterator[Fault]:
    """Yield the faults of an object of one class."""
    name = cls.__name__
    if name in REFUSED:
        yield Fault(place, REFUSED[name])
        return
    if depth == 0 or not isinstance(data, Mapping):
        yield Fault(place, f"no {name}")
        return
    fields = typing.get_type_hints(cls, vars(schema))
    if _is_union(cls) and len(data) != 1:
        yield Fault(place, f"{len(data)} values where one is wanted")
    for key, value in data.items():
        inner = f"{place}.{key}".lstrip(".")
        if key not in fields:
            yield Fault(inner[: texts.LONGEST_NAME], "a field that this PyTorch does not know")
            return
        if key == "metadata":
            yield from _yield_metadata(value, inner)
        elif value is not None or not _is_optional(fields[key]):
            yield from _yield_values(fields[key], value, inner, FORMS.get((name, key)), depth - 1)


def _yield_metadata(data: Any, place: str) -> Iterator[Fault]:
    if not isinstance(data, Mapping):
        yield Fault(place, "no dictionary")
        return
    for key, value in data.items():
        is_allowed = METADATA.get(key)
        if is_allowed is None or not isinstance(value, str) or not is_allowed(value):
            yield Fault(f"{place}.{key}", _quote(value))


def _yield_values(
    kind: Any, value: Any, place: str, form: texts.Check | None, depth: int
) -> Iterator[Fault]:
    """Yield the faults of a value of any type that the schema has."""
    kind = _without_wrappers(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list:
        if not isinstance(value, list):
            yield Fault(place, "no list")
            return
        for number, one in enumerate(value):
            yield from _yield_values(arguments[0], one, f"{place}[{number}]", form, depth)
    elif origin is dict:
        yield from _yield_entries(arguments[1], value, place, form, depth)
    elif dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield from _yield_faults(kind, value, place, depth)
    elif not _is_plain(kind, value, form):
        yield Fault(place, _quote(value))


def _yield_entries(
    kind: Any, value: Any, place: str, form: texts.Check | None, depth: int
) -> Iterator[Fault]:
    if not isinstance(value, Mapping):
        yield Fault(place, "no dictionary")
        return
    for key, one in value.items():
        if form is None or not form(key):
            yield Fault(place, f"an entry {_quote(key)}")
        yield from _yield_values(kind, one, f"{place}.{key}", None, depth)


def _without_wrappers(kind: Any) -> Any:
    """Return a type without Annotated and without "or None"."""
    while True:
        origin = typing.get_origin(kind)
        if origin is Annotated:
            kind = typing.get_args(kind)[0]
        elif origin in (typing.Union, UnionType):
            kind = next(one for one in typing.get_args(kind) if one is not type(None))
        elif isinstance(kind, str | typing.ForwardRef):
            kind = getattr(schema, getattr(kind, "__forward_arg__", str(kind)))
        else:
            return kind


def _is_optional(kind: Any) -> bool:
    while typing.get_origin(kind) is Annotated:
        kind = typing.get_args(kind)[0]
    return type(None) in typing.get_args(kind)


def _is_union(cls: type) -> bool:
    return any(base.__name__ == "_Union" for base in cls.__mro__[1:])


def _is_plain(kind: Any, value: Any, form: texts.Check | None) -> bool:
    """Return whether a number or text is of its type, and of its form where it is a text."""
    if kind is str:
        return isinstance(value, str) and form is not None and form(value)
    if kind is bool:
        return isinstance(value, bool)
    if kind is float:
        return isinstance(value, int | float) or value in ("Infinity", "-Infinity", "NaN")
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    is_known = kind is int or (isinstance(kind, type) and issubclass(kind, IntEnum))
    return is_integer and is_known and abs(value) <= texts.LARGEST_NUMBER


def _quote(value: Any) -> str:
    """Return a value as a message shows it, at most a line."""
    return repr(value)[:100]
