"""Why PyTorch could not run or export a module, with the module path and the user's line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import TracebackType

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram

from torch2keras.custom_ops.packed_sequences import PackedError
from torch2keras.errors import CaptureError, InputError
from torch2keras.fx_passes.source_lines import (
    innermost_line,
    is_users_file,
    origin_rows,
    read_line,
)
from torch2keras.runtime.native_attributes import is_native, own_members, submodules

aten = torch.ops.aten


_DATA_DEPENDENT = re.compile(
    r"data-dependent|GuardOnDataDependent|DataDependentOutput|_local_scalar_dense"
    r"|Dynamic control flow|attempted to jump with TensorVariable|aten\.equal|aten\._is_all_true",
    re.IGNORECASE,
)


_UNKNOWN_NUMBER = re.compile(r"u\d+")
"""How torch.export names a number that it reads off a tensor; in an f-string the name is written.

So `self.heads[f"domain{index.item()}"]` asks for "domainu0".
"""


_FAKE_CONSTANT = "fake tensor in the exported program constant"


_SHAPES = re.compile(
    r"dynamic_shapes|Constraints violated|marked .* as dynamic|dynamic dimension", re.IGNORECASE
)


_BY_VALUE = "what the module does depends on the values of a tensor"


_NOT_BY_VALUE = (
    "choose with torch.where or torch.cond, or make the value an argument of the module;\n"
    'convert(..., capture="trace") takes the way of the example for all inputs'
)


EXPERTS = (
    "of several experts run each on all rows, times its weight, which is zero where it is not "
    "chosen:\n"
    "y = 0\n"
    "for e, expert in enumerate(self.experts):\n"
    "    y = y + expert(x) * (weights * (index == e)).sum(-1, keepdim=True)"
)
"""What to write for a choice among experts, with `weights, index = scores.topk(k)`."""


_NO_DATA = (
    "write x.detach() for x.data, and give the op a new tensor in place of a write to a weight:\n"
    "F.linear(x, torch.renorm(self.weight, 2, 0, 1.0), self.bias)"
)


MOST_LETTERS = 300
"""Longer quotations are cut."""


Rows = list[tuple[str, str]]


ON_META = "device meta"
"""What PyTorch says where tensors without numbers meet others."""


_NO_NUMBERS = (
    "a tensor that is neither parameter nor buffer was made on the device meta: register it as a\n"
    "buffer that is saved, or build the module with its parameters alone on meta"
)


def eager_failure(
    module: nn.Module, inputs: Sequence[tuple[str, object]], error: BaseException
) -> InputError:
    """Return the error for a module that fails on its example inputs in PyTorch itself."""
    step = "give example inputs with which module(*args) runs"
    if ON_META in str(error):
        step = _NO_NUMBERS
    return InputError(
        f"{type(module).__name__} itself fails on the example inputs, in PyTorch",
        [
            *_locate(module, error),
            ("inputs", describe_inputs(inputs)),
            ("torch", first_line(error)),
            ("next", step),
        ],
    )


def capture_failure(
    module: nn.Module, inputs: Sequence[tuple[str, object]], error: BaseException
) -> CaptureError | InputError:
    """Return the error for a module that runs in PyTorch but cannot be exported."""
    text = f"{type(error).__name__}: {error}"
    rows = [*_locate(module, error), ("inputs", describe_inputs(inputs))]
    if _DATA_DEPENDENT.search(text) or _looks_up_unknown_number(error):
        step = _NOT_BY_VALUE
        if _chooses_modules(module, error):
            step += f";\n{EXPERTS}"
        rows += [("torch", first_line(error)), ("next", step)]
        return CaptureError(_BY_VALUE, rows)
    if isinstance(error, FrozenValueError) or _FAKE_CONSTANT in text:
        why = "as x.data of another shape or type makes it, which torch.export does not see"
        rows += [("why", why), ("next", _NO_DATA)]
        return CaptureError(
            "a value that forward computes becomes a constant when it is exported", rows
        )
    if isinstance(error, PackedError):
        return CaptureError("a sequence is packed", [*rows, ("next", str(error))])
    if _SHAPES.search(text):
        step = "leave out the dims that forward fixes, or use Dim.AUTO for them"
        rows += [("torch", _shorten(str(error).strip())), ("next", step)]
        return InputError("the module cannot keep these dynamic_shapes", rows)
    step = "torch.export.export(module, args, strict=False) gives PyTorch's whole explanation"
    rows += [("torch", f"{type(error).__name__}: {first_line(error)}"), ("next", step)]
    return CaptureError("torch.export cannot take the module", rows)


def _looks_up_unknown_number(error: BaseException) -> bool:
    """Whether a key or an attribute is missing whose name has a number read off a tensor in it."""
    is_missing = isinstance(error, LookupError | AttributeError)
    return is_missing and _UNKNOWN_NUMBER.search(str(error)) is not None


class FrozenValueError(RuntimeError):
    """A value that forward computes has become a constant of the exported program."""


class ForeignObjectError(RuntimeError):
    """What forward uses is neither a tensor nor a number, and no attempt to export mends that."""


def refuse_object(error: ForeignObjectError) -> CaptureError:
    """Return the error for what check_constants found."""
    step = (
        "let forward take what it makes as an input: random numbers are drawn outside, "
        "and layers such as nn.Dropout draw their own"
    )
    headline = f"forward uses an object that Keras has none of: {error}"
    return CaptureError(headline, [("next", step)])


def check_constants(program: ExportedProgram) -> None:
    """Raise FrozenValueError where a program's constant is a fake tensor: a value of the trace.

    Raises ForeignObjectError where it is no tensor, but a generator of random numbers, say.
    """
    for name, value in program.constants.items():
        if not isinstance(value, torch.Tensor):
            raise ForeignObjectError(f"{name} (torch.{type(value).__name__})")
    frozen = [name for name, value in program.constants.items() if isinstance(value, FakeTensor)]
    if frozen:
        raise FrozenValueError(f"computed values as constants: {', '.join(frozen)}")


def has_python_numbers(graph_module: fx.GraphModule) -> bool:
    """Whether a tensor's value becomes a Python number, as in `int(x.sum())`."""
    return next(_find_python_numbers(graph_module), None) is not None


def check_no_python_numbers(graph_module: fx.GraphModule) -> None:
    """Raise CaptureError where a tensor's value becomes a Python number."""
    for node in _find_python_numbers(graph_module):
        why = "the value of a tensor becomes a Python number"
        raise CaptureError(_BY_VALUE, [*origin_rows(node), ("why", why), ("next", _NOT_BY_VALUE)])


def _find_python_numbers(graph_module: fx.GraphModule) -> Iterator[fx.Node]:
    for node in graph_module.graph.nodes:
        if node.target in (aten.item.default, aten.equal.default):
            yield node


def first_line(error: BaseException) -> str:
    """Return the first line of a message that says something."""
    for line in str(error).splitlines():
        if line.strip():
            return _shorten(line.strip())
    return type(error).__name__


def describe_inputs(inputs: Sequence[tuple[str, object]]) -> str:
    """Return the types and shapes of inputs by name, as `x float32[2, 3, 11], n 5`."""
    return ", ".join(f"{name} {_describe(value)}" for name, value in inputs)


def _describe(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return _shorten(repr(value))


def _locate(module: nn.Module, error: BaseException) -> Rows:
    """Return the rows (module, source): the innermost of both on the way to an error."""
    paths = {id(part): path for path, part in module.named_modules()}
    where, line = "", None
    for file, number, owner in _walk_frames(error.__traceback__):
        if id(owner) in paths:
            where = f"{paths[id(owner)] or 'the module itself'} ({type(owner).__name__})"
        if is_users_file(file):
            line = read_line(file, number)
    # Under strict export no frame of the user's is on the stack; its lines are quoted in the
    # message.
    line = line or innermost_line(str(error))
    return [("module", where), ("source", str(line or ""))]


def _chooses_modules(module: nn.Module, error: BaseException) -> bool:
    """Return whether what fails is a list of modules, or the innermost that has one."""
    ours = set(map(id, submodules(module).values()))
    innermost = None
    for _, _, owner in _walk_frames(error.__traceback__):
        if id(owner) in ours:
            innermost = owner
    if not isinstance(innermost, nn.Module):
        return False
    parts = (innermost, *own_members(innermost, "_modules").values())
    return any(is_native(part, nn.ModuleList) for part in parts)


def _walk_frames(traceback: TracebackType | None) -> Iterator[tuple[str, int, object]]:
    """Yield (file, line number, `self`) of each frame, outermost first."""
    while traceback is not None:
        frame = traceback.tb_frame
        yield frame.f_code.co_filename, traceback.tb_lineno, frame.f_locals.get("self")
        traceback = traceback.tb_next


def _shorten(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."
