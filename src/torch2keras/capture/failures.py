"""Why PyTorch could not run or export a module: the module path, the user's line and the reason in one line."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.export import ExportedProgram

from torch2keras.custom_ops.recurrent import PackedError
from torch2keras.errors import CaptureError, InputError
from torch2keras.fx_passes.source_lines import (
    SourceLine,
    innermost_line,
    is_torch_file,
    origin_rows,
)

aten = torch.ops.aten


_HERE = str(Path(__file__).resolve().parents[1])


_DATA_DEPENDENT = re.compile(
    r"data-dependent|GuardOnDataDependent|DataDependentOutput|_local_scalar_dense|Dynamic control flow"
    r"|attempted to jump with TensorVariable|aten\.equal|aten\._is_all_true",
    re.IGNORECASE,
)


_SHAPES = re.compile(
    r"dynamic_shapes|Constraints violated|marked .* as dynamic|dynamic dimension", re.IGNORECASE
)


_BY_VALUE = "what the module does depends on the values of a tensor"


_NOT_BY_VALUE = (
    "choose with torch.where or torch.cond, or make the value an argument of the module;\n"
    'convert(..., capture="trace") takes the way of the example for all inputs'
)


MOST_LETTERS = 300


def eager_failure(
    module: nn.Module, inputs: Sequence[tuple[str, object]], error: BaseException
) -> InputError:
    """The error for a module that fails on its example inputs in PyTorch itself."""
    return InputError(
        f"{type(module).__name__} itself fails on the example inputs, in PyTorch",
        [
            *_where(module, error),
            ("inputs", described_inputs(inputs)),
            ("torch", first_line(error)),
            ("next", "give example inputs with which module(*args) runs"),
        ],
    )


def capture_failure(
    module: nn.Module, inputs: Sequence[tuple[str, object]], error: BaseException
) -> CaptureError | InputError:
    """The error for a module that runs in PyTorch but cannot be exported."""
    text = f"{type(error).__name__}: {error}"
    rows = [*_where(module, error), ("inputs", described_inputs(inputs))]
    if _DATA_DEPENDENT.search(text):
        return CaptureError(
            _BY_VALUE, [*rows, ("torch", first_line(error)), ("next", _NOT_BY_VALUE)]
        )
    if (
        isinstance(error, FrozenValueError)
        or "fake tensor in the exported program constant" in text
    ):
        why = "as x.data and x.set_() make it, which torch.export does not see"
        return CaptureError(
            "a value that forward computes becomes a constant when it is exported",
            [*rows, ("why", why), ("next", "write x.detach() for x.data")],
        )
    if isinstance(error, PackedError):
        return CaptureError("a sequence is packed", [*rows, ("next", str(error))])
    if _SHAPES.search(text):
        return InputError(
            "the module cannot keep these dynamic_shapes",
            [
                *rows,
                ("torch", _shortened(str(error).strip())),
                ("next", "leave out the dims that forward fixes, or use Dim.AUTO for them"),
            ],
        )
    return CaptureError(
        "torch.export cannot take the module",
        [
            *rows,
            ("torch", f"{type(error).__name__}: {first_line(error)}"),
            (
                "next",
                "torch.export.export(module, args, strict=False) gives PyTorch's whole explanation",
            ),
        ],
    )


class FrozenValueError(RuntimeError):
    """A value that forward computes has become a constant of the exported program."""


def check_constants(program: ExportedProgram) -> None:
    """Raise FrozenValueError where a program's constant has no content: it is a value of the trace."""
    frozen = [name for name, value in program.constants.items() if isinstance(value, FakeTensor)]
    if frozen:
        raise FrozenValueError(f"computed values as constants: {', '.join(frozen)}")


def has_python_numbers(graph_module: fx.GraphModule) -> bool:
    """Whether a tensor's value becomes a Python number, as in `int(x.sum())`."""
    return any(True for _ in _python_numbers(graph_module))


def check_no_python_numbers(graph_module: fx.GraphModule) -> None:
    """Raise CaptureError where it does."""
    for node in _python_numbers(graph_module):
        why = "the value of a tensor becomes a Python number"
        raise CaptureError(_BY_VALUE, [*origin_rows(node), ("why", why), ("next", _NOT_BY_VALUE)])


def _python_numbers(graph_module: fx.GraphModule) -> Iterator[fx.Node]:
    return (
        node
        for node in graph_module.graph.nodes
        if node.target in (aten.item.default, aten.equal.default)
    )


def first_line(error: BaseException) -> str:
    """The first line of a message that says something."""
    lines = [line.strip() for line in str(error).splitlines()]
    return _shortened(next((line for line in lines if line), type(error).__name__))


def described_inputs(inputs: Sequence[tuple[str, object]]) -> str:
    """`x float32[2, 3, 11], n 5`."""
    return ", ".join(f"{name} {_described(value)}" for name, value in inputs)


def _described(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return _shortened(repr(value))


def _where(module: nn.Module, error: BaseException) -> list[tuple[str, str]]:
    """The rows (module, source) of the innermost module and user's line on the way to an error."""
    paths = {id(submodule): path for path, submodule in module.named_modules()}
    where, line = "", None
    for file, number, submodule in _frames(error.__traceback__):
        if id(submodule) in paths:
            where = f"{paths[id(submodule)] or 'the module itself'} ({type(submodule).__name__})"
        if not is_torch_file(file) and not file.startswith(_HERE):
            line = SourceLine(file, number, linecache.getline(file, number).strip())
    # Under strict export no frame of the user's is on the stack; its lines are quoted in the message.
    line = line or innermost_line(str(error))
    return [("module", where), ("source", str(line) if line else "")]


def _frames(traceback: TracebackType | None) -> list[tuple[str, int, object]]:
    """(file, line number, `self`) of each frame, outermost first."""
    frames = []
    while traceback is not None:
        frame = traceback.tb_frame
        frames.append((frame.f_code.co_filename, traceback.tb_lineno, frame.f_locals.get("self")))
        traceback = traceback.tb_next
    return frames


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LETTERS else text[: MOST_LETTERS - 3] + "..."
