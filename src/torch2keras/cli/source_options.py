"""What `convert` and `inspect` both ask on the command line, declared once."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

import typer

from torch2keras.cli.input_shapes import (
    InputShape,
    build_dynamic_shapes,
    build_example,
    parse_shape,
)
from torch2keras.cli.optional_package import import_keras
from torch2keras.errors import InputError
from torch2keras.runtime.progress import Progress


class StateOption(StrEnum):
    """What becomes of values that forward keeps from call to call."""

    REFUSE = "refuse"
    PORTS = "ports"


class RandomOption(StrEnum):
    """What becomes of random numbers that forward draws."""

    REFUSE = "refuse"
    PORTS = "ports"


class Layout(StrEnum):
    """The order of the model's inputs and outputs."""

    KERAS = "keras"
    TORCH = "torch"


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, errors too.")]


@dataclass(frozen=True)
class SourceOptions:
    """SOURCE, and how it is to be converted.

    Each field is an argument or an option of the command line.
    """

    source: Annotated[
        str,
        typer.Argument(
            help="package.module:factory, torchvision:NAME, timm:NAME or hf:FOLDER.",
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
    layout: Annotated[
        Layout, typer.Option(help="Inputs and outputs channels last, or in the module's order.")
    ] = Layout.KERAS
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
    quiet: Quiet = False
    as_json: AsJson = False

    def parse_inputs(self) -> list[InputShape]:
        """Return the inputs as given. Raises InputError where one has another form."""
        return [parse_shape(text) for text in self.inputs or ()]

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


def build_call(
    options: SourceOptions, shapes: Sequence[InputShape], progress: Progress
) -> dict[str, Any]:
    """Return the arguments of `convert` and `inspect`: the module, an example call, the options.

    `shapes` are the inputs that the user gave; a transformers model has some of its own.
    Raises InputError where there are none, SourceError where SOURCE names no module.
    """
    is_transformer = options.source.startswith("hf:")
    if not shapes and not is_transformer:
        raise _no_example(options.source)
    progress("load")
    module = _load_module(options.source)
    if not shapes:
        from torch2keras.cli.hugging_face import example_shapes

        shapes = example_shapes(module)
    if not shapes:
        raise _no_example(options.source)
    args, kwargs = build_example(shapes)
    return {
        "module": module,
        "args": args,
        "kwargs": kwargs,
        "dynamic_shapes": build_dynamic_shapes(shapes),
        "layout": options.layout.value,
        "capture": options.capture,
        "state": options.state.value,
        "random": options.random.value,
        "name": options.name,
        "progress": progress,
    }


def _load_module(source: str) -> Any:
    """Return the module of a SOURCE, with Keras imported beside it."""
    from torch2keras.cli.sources import load_source

    module = load_source(source)
    import_keras()
    return module


def _no_example(source: str) -> InputError:
    why = "sizes are read off an example; it is drawn from N(0, 1), integers are 0 or 1"
    step = "give its shape in PyTorch's order, once an input: -i 2,3,224,224 or -i 2,77:int64"
    return InputError(f"no example input for {source}", [("why", why), ("next", step)])
