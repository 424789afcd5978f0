"""What `convert` and `inspect` both ask on the command line, declared once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from torch2keras.cli.default_inputs import find_default_inputs, has_default_inputs
from torch2keras.cli.input_shapes import (
    InputShape,
    build_dynamic_shapes,
    build_example,
    parse_shape,
)
from torch2keras.errors import InputError
from torch2keras.runtime.free_memory import count_bytes, parse_bytes, require_bytes
from torch2keras.runtime.optional_package import import_keras
from torch2keras.runtime.paths import is_program_file, is_script_source
from torch2keras.runtime.progress import Progress

if TYPE_CHECKING:
    import torch

    from torch2keras.inspection import Inspection
    from torch2keras.reporting.report import Report

Noted = TypeVar("Noted", "Report", "Inspection")


class VerifyOption(StrEnum):
    """What is compared of a model and its module; each level beside those before it."""

    OUTPUTS = "outputs"
    GRADIENTS = "gradients"
    TRAINING = "training"


class StateOption(StrEnum):
    """What becomes of values that forward keeps from call to call."""

    REFUSE = "refuse"
    PORTS = "ports"


class DtypeOption(StrEnum):
    """The type of all numbers, or a policy of mixed precision."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    MIXED_BFLOAT16 = "mixed_bfloat16"
    MIXED_FLOAT16 = "mixed_float16"


class RandomOption(StrEnum):
    """What becomes of random numbers that forward draws."""

    REFUSE = "refuse"
    PORTS = "ports"


LAYOUTS = ("keras", "torch")
"""The orders of all inputs and outputs at once."""


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, errors too.")]


Trust = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Load a .pt2 file, TorchScript or a pickle of --weights, though it runs code.",
    ),
]


@dataclass(frozen=True)
class SourceOptions:
    """SOURCE, and how it is to be converted.

    Each field is an argument or an option of the command line.
    """

    source: Annotated[
        str,
        typer.Argument(
            help="package.module:factory, file.py:factory, torchvision:NAME, timm:NAME, "
            "ultralytics:NAME, smp:NAME, hf:FOLDER, diffusers:FOLDER or FILE.pt2.",
            show_default=False,
        ),
    ]
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[PARAMETER:]SHAPE[:DTYPE]",
            help="An example input in PyTorch's order, once an input: 2,1,1024 or "
            "mask:2,77:int64. A name makes a size dynamic: 2,1,length=1024. "
            "The batch is dynamic by itself.",
        ),
    ] = None
    weights: Annotated[
        Path | None,
        typer.Option(
            help="A file of weights for SOURCE: .safetensors, what torch.save has written, or a "
            "folder of shards.",
        ),
    ] = None
    entry: Annotated[
        str,
        typer.Option(
            help="The dictionary of --weights, or the prefix of its names, that is to be taken.",
        ),
    ] = ""
    trust: Trust = False
    max_memory: Annotated[
        str | None,
        typer.Option(
            metavar="BYTES",
            help="Refuse what needs more memory, before it is asked for: 8GB or 500MB; by default "
            "what is free.",
        ),
    ] = None
    layout: Annotated[
        list[str] | None,
        typer.Option(
            metavar="keras|torch|PORT=ORDER",
            help="Inputs and outputs channels last (keras), in the module's order (torch), or that "
            'of one of them: x="n l c", once each.',
        ),
    ] = None
    name: Annotated[
        str | None, typer.Option(help="The model's name; by default the class of the module.")
    ] = None
    trace: Annotated[
        bool,
        typer.Option(
            "--trace",
            help="Fix every size and branch to the example's, where torch.export refuses SOURCE.",
        ),
    ] = False
    state: Annotated[
        StateOption,
        typer.Option(
            help="Refuse what forward keeps from call to call, or make it in- and outputs."
        ),
    ] = StateOption.REFUSE
    random: Annotated[
        RandomOption, typer.Option(help="Refuse random numbers of forward, or make them inputs.")
    ] = RandomOption.REFUSE
    dtype: Annotated[
        DtypeOption | None,
        typer.Option(help="The type of all numbers, or narrow layers with float32 weights."),
    ] = None
    bug_report: Annotated[
        bool,
        typer.Option(
            "--bug-report", help="Where this fails, write torch2keras-report.md, for an issue."
        ),
    ] = False
    quiet: Quiet = False
    as_json: AsJson = False

    def parse_inputs(self) -> list[InputShape]:
        """Return the inputs as given. Raises InputError where one has another form."""
        return [parse_shape(text) for text in self.inputs or ()]

    def parse_memory(self) -> int | None:
        """Return the bytes that may be asked for at once; None where there is no limit."""
        if self.max_memory is None:
            return None
        return parse_bytes(self.max_memory, "--max-memory")

    @property
    def capture(self) -> Literal["export", "trace"]:
        """The option `capture` of `convert`."""
        if self.trace:
            return "trace"
        return "export"


def take_source_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return `command(options, ...)` with the fields of SourceOptions as parameters of its own.

    Typer reads a command's arguments and options off its signature.
    """
    shared = list(inspect.signature(SourceOptions, eval_str=True).parameters.values())
    own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
    parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in (*shared, *own)]

    @functools.wraps(command)
    def run_command(**given: Any) -> None:
        options = {field.name: given.pop(field.name) for field in dataclasses.fields(SourceOptions)}
        command(SourceOptions(**options), **given)

    run_command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run_command.__annotations__ = {p.name: p.annotation for p in parameters}
    return run_command


def parse_layout(texts: Sequence[str]) -> str | dict[str, str]:
    """Return the option `layout` of `convert`; without any it is "keras".

    Raises InputError where one has another form.
    """
    if len(texts) <= 1 and all(text in LAYOUTS for text in texts):
        return texts[0] if texts else LAYOUTS[0]
    orders: dict[str, str] = {}
    for text in texts:
        port, equals, order = text.partition("=")
        if not equals or port.strip() in orders:
            raise InputError(
                f"unknown layout {text!r}",
                [
                    ("form", "keras, torch, or PORT=ORDER once for each port that is to be fixed"),
                    ("next", 'for example --layout x="n l c"'),
                ],
            )
        orders[port.strip()] = " ".join(order.replace(",", " ").split())
    return orders


@dataclass(frozen=True)
class SourceCall:
    """What `convert` and `inspect` are called with, and what a report says beside theirs."""

    arguments: Mapping[str, Any]
    note: str
    """Whose the weights are; empty where SOURCE alone tells."""


def build_call(
    options: SourceOptions, shapes: Sequence[InputShape], progress: Progress
) -> SourceCall:
    """Return the arguments of `convert` and `inspect`: the module, an example call, the options.

    `shapes` are the inputs that the user gave; a model of a zoo has some of its own.
    Raises InputError where there are none or the weights do not fit, SourceError where SOURCE names
    no module.
    """
    is_program = is_program_file(options.source)
    is_script = is_script_source(options.source)
    if options.weights is None:
        require_use_of_trust(options.source, trust=options.trust)
    if not shapes and not is_program and not has_default_inputs(options.source):
        raise _no_example(options.source)
    progress("load")
    module = _load_module(options.source, trust=options.trust)
    if not shapes and not is_program:
        shapes = find_default_inputs(options.source, module)
    if not shapes and not getattr(module, "example_inputs", None):
        raise _no_example(options.source, _list_parameters(module))
    _require_memory(options, module)
    args, kwargs = build_example(shapes)
    note = _take_weights(options, module)
    if is_script:
        from torch2keras.cli.torchscript import program_as_module

        module = program_as_module(module, args)
    arguments = {
        "module": module,
        "args": args,
        "kwargs": kwargs,
        "dynamic_shapes": build_dynamic_shapes(shapes),
        "layout": parse_layout(options.layout or ()),
        "capture": options.capture,
        "state": options.state.value,
        "random": options.random.value,
        "dtype": options.dtype and options.dtype.value,
        "name": options.name,
        "progress": progress,
    }
    return SourceCall(arguments, note)


def require_use_of_trust(source: str, *, trust: bool) -> None:
    """Raise InputError where a source is to be trusted that is no file of a program."""
    if trust and not is_program_file(source) and not is_script_source(source):
        step = "leave it out: all else is data, or Python code that you name yourself"
        what = "--trust is for a .pt2 file, for torchscript:FILE, or for --weights"
        raise InputError(what, [("next", step)])


def _require_memory(options: SourceOptions, module: Any) -> None:
    """Raise InputError where the weights of both sides are more than may be asked for."""
    if options.max_memory is not None and hasattr(module, "parameters"):
        require_bytes(2 * count_bytes(module), options.source)


def _take_weights(options: SourceOptions, module: Any) -> str:
    """Load the weights that are asked for into a module; return whose it has."""
    from torch import nn

    from torch2keras.checkpoints.checkpoint_files import read_checkpoint
    from torch2keras.checkpoints.checkpoint_names import load_weights
    from torch2keras.checkpoints.empty_modules import fill_module, is_empty
    from torch2keras.cli.zoos import has_random_weights

    if is_program_file(options.source):
        return _note_program(options)
    if options.weights is not None and isinstance(module, nn.Module) and is_empty(module):
        checkpoint = read_checkpoint(options.weights, trust=options.trust)
        return " ".join(fill_module(module, checkpoint, options.entry))
    if options.weights is not None:
        taken = load_weights(module, options.weights, options.entry, trust=options.trust)
        return f"{_note_trust(options)} {taken}" if is_script_source(options.source) else taken
    if options.entry:
        step = "name the file of weights that it is an entry of: --weights FILE"
        raise InputError("--entry without --weights", [("next", step)])
    if is_script_source(options.source):
        return _note_trust(options)
    if has_random_weights(options.source):
        return f"The weights are random: {options.source} is an architecture; --weights loads some."
    return ""


def _note_program(options: SourceOptions) -> str:
    """Return what a report says of the file of a program.

    Raises InputError where weights are asked for.
    """
    if options.weights is not None or options.entry:
        step = "load them into the module, and export that"
        raise InputError("--weights for a program, which has its own", [("next", step)])
    return _note_trust(options) if options.trust else ""


def _note_trust(options: SourceOptions) -> str:
    return f"{options.source} was trusted: whatever it holds was run while it was loaded."


def _list_parameters(module: Any) -> list[tuple[str, str]]:
    """Return a row with the parameters of a module's forward; none for a program."""
    if not hasattr(module, "forward"):
        return []
    return [("forward", f"takes {', '.join(inspect.signature(module.forward).parameters)}")]


def add_note(result: Noted, note: str) -> Noted:
    """Return a report or an inspection with a note before its own."""
    if not note:
        return result
    return dataclasses.replace(result, notes=(note, *result.notes))


def is_source(text: str) -> bool:
    """Return whether a text is a SOURCE, and not a layer as it is written in PyTorch."""
    return (":" in text or is_program_file(text)) and "(" not in text


def load_with_inputs(
    source: str, texts: Sequence[str], *, trust: bool = False
) -> tuple[Any, tuple[torch.Tensor, ...] | None]:
    """Return the module of a SOURCE, and inputs: as given, or its zoo's, or None.

    Raises InputError where an input has a name or another form, SourceError where SOURCE names no
    module.
    """
    shapes = [parse_shape(text) for text in texts]
    require_use_of_trust(source, trust=trust)
    module = _load_module(source, trust=trust)
    args, kwargs = build_example(shapes or find_default_inputs(source, module))
    if is_program_file(source):
        from torch2keras.capture.exported_programs import open_program

        program = open_program(module)
        module, args = program.module, args or program.args
    if is_script_source(source):
        from torch2keras.cli.torchscript import program_as_module

        module = program_as_module(module, args)
    if kwargs:
        raise InputError(
            "explain takes inputs by place",
            [("next", "give their shapes in the order of forward, without names")],
        )
    return module, args or None


def _load_module(source: str, *, trust: bool = False) -> Any:
    """Return the module or program of a SOURCE, with Keras imported beside it."""
    from torch2keras.cli.sources import load_source

    module = load_source(source, trust=trust)
    import_keras()
    return module


def _no_example(source: str, rows: Sequence[tuple[str, str]] = ()) -> InputError:
    why = "sizes are read off an example; it is drawn from N(0, 1), integers are 0 or 1"
    step = "give its shape in PyTorch's order, once an input: -i 2,3,224,224 or -i 2,77:int64"
    return InputError(f"no example input for {source}", [("why", why), *rows, ("next", step)])
