"""The command line.

Exit codes: 0 done, 1 a bug of this package, 2 usage (a wrong SOURCE or input too), 3 refused as unsafe,
4 unsupported, 5 verification failed, 6 the result cannot be written, 130 interrupted.
PyTorch and Keras are imported by the commands that need them: `--help` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from torch2keras import errors
from torch2keras.cli.input_shapes import (
    InputShape,
    dynamic_shapes,
    example_call,
    parse_plain_shape,
    parse_shape,
)
from torch2keras.cli.terminal import (
    error_document,
    print_error,
    print_interrupted,
    print_json,
    print_text,
    stages,
    stderr_on_failure,
)
from torch2keras.keras_model.saving import require_writable

EXIT_CODES: dict[type[errors.Torch2KerasError], int] = {
    errors.InputError: 2,
    errors.SourceError: 2,
    errors.UnsafeFileError: 3,
    errors.CaptureError: 4,
    errors.UnsupportedOpError: 4,
    errors.LoweringError: 4,
    errors.VerificationError: 5,
    errors.OutputError: 6,
}


WAYS: dict[bool, Any] = {False: "export", True: "trace"}
"""What `--trace` means to `convert`."""


INTERRUPTED = 130


USAGE = 2


app = typer.Typer(
    name="torch2keras",
    help="PyTorch modules as Keras 3 models of stock layers, channels last, verified.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class Layout(StrEnum):
    """The order of the model's inputs and outputs."""

    KERAS = "keras"
    TORCH = "torch"


Source = Annotated[
    str,
    typer.Argument(
        help="package.module:factory, torchvision:NAME, timm:NAME or hf:FOLDER.", show_default=False
    ),
]


LayoutOption = Annotated[
    Layout, typer.Option(help="Inputs and outputs channels last, or in the module's order.")
]


Trace = Annotated[
    bool,
    typer.Option(
        "--trace",
        help="Fix every size and branch to the example's, where torch.export refuses SOURCE.",
    ),
]


Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors alone.")]


AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, errors too.")]


Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input", "-i", metavar="[PARAMETER:]SHAPE[:DTYPE]",
        help="An example input in PyTorch's order, once an input: 2,1,1024 or mask:2,77:int64. "
        "A name makes a size dynamic: 2,1,length=1024. The batch is dynamic by itself.",
    ),
]  # fmt: skip


def main() -> None:
    """The console entry."""
    arguments = sys.argv[1:]
    command = typer.main.get_command(app)
    # Typer gives UsageError no public name of its own, but it is what BadParameter is.
    usage_error: Any = typer.BadParameter.__bases__[0]
    if "--json" not in arguments:
        command.main(args=arguments, prog_name="torch2keras")
    try:
        sys.exit(command.main(args=arguments, prog_name="torch2keras", standalone_mode=False) or 0)
    except usage_error as error:
        print_json(
            error_document("UsageError", error.format_message(), {"next": "torch2keras --help"})
        )
        sys.exit(USAGE)


def _show_version(shown: bool) -> None:  # noqa: FBT001 - typer calls it so
    if shown:
        print_text(f"torch2keras {version('torch2keras')}")
        raise typer.Exit


@app.callback()
def common(
    *,
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """PyTorch modules as Keras 3 models of stock layers, channels last, verified."""


@app.command("convert")
def convert_command(
    source: Source,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="OUT.keras", help="The file to write.", show_default=False
        ),
    ],
    inputs: Inputs = None,
    layout: LayoutOption = Layout.KERAS,
    name: Annotated[
        str | None, typer.Option(help="The model's name; by default the class of the module.")
    ] = None,
    *,
    trace: Trace = False,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Do not compare the model with the module.")
    ] = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Convert SOURCE to a Keras model, verify it, save it, and print what became of what.

    SOURCE is package.module:factory (called without arguments), torchvision:NAME, timm:NAME, or hf:PATH, a folder of
    a transformers model or its config.json. For these a text, an image or a second of audio is the example by default.
    """
    with _reported(as_json=as_json), stages(shown=not quiet) as tell:
        shapes = [parse_shape(text) for text in inputs or ()]
        require_writable(output)
        call = _example(source, shapes, tell)
        from torch2keras import convert

        options: dict[str, Any] = {"layout": layout.value, "capture": WAYS[trace], "progress": tell}
        converted = convert(**call, **options, name=name, verify=not no_verify)
        tell("save")
        saved = converted.save(output)
    if as_json:
        print_json({"saved": str(saved), "report": converted.report.as_dict()})
    elif not quiet:
        print_text(f"{converted.report}\n\nsaved {saved}")


def _example(source: str, shapes: Sequence[InputShape], tell: Any) -> dict[str, Any]:
    """What convert and inspect take of a SOURCE: the module, an example call of it and its dynamic sizes."""
    known = source.partition(":")[0] == "hf"
    if not shapes and not known:
        raise _no_example(source)
    tell("load")
    module = _load(source)
    if not shapes:
        from torch2keras.cli.hugging_face import example_shapes

        shapes = example_shapes(module)
    if not shapes:
        raise _no_example(source)
    args, kwargs = example_call(shapes)
    return {
        "module": module,
        "args": args,
        "kwargs": kwargs,
        "dynamic_shapes": dynamic_shapes(shapes),
    }


def _load(source: str) -> Any:
    """The module of a SOURCE, and Keras beside it."""
    from torch2keras.cli.sources import load_source

    module = load_source(source)
    _load_keras()
    return module


def _no_example(source: str) -> errors.InputError:
    return errors.InputError(
        f"no example input for {source}",
        [
            ("why", "sizes are read off an example; it is drawn from N(0, 1), integers are 0 or 1"),
            (
                "next",
                "give its shape in PyTorch's order, once an input: -i 2,3,224,224 or -i 2,77:int64",
            ),
        ],
    )


@app.command("inspect")
def inspect_command(
    source: Source,
    inputs: Inputs = None,
    layout: LayoutOption = Layout.KERAS,
    *,
    trace: Trace = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show what convert would make of each op of SOURCE, and what it refuses, before any weight is copied.

    Exits with 4 where an op is refused.
    """
    with _reported(as_json=as_json), stages(shown=not quiet) as tell:
        call = _example(source, [parse_shape(text) for text in inputs or ()], tell)
        from torch2keras import inspect

        found = inspect(**call, layout=layout.value, capture=WAYS[trace], progress=tell)
    if as_json:
        print_json(found.as_dict())
    else:
        print_text(str(found))
    if not found.ok:
        raise typer.Exit(EXIT_CODES[errors.UnsupportedOpError])


@app.command("explain")
def explain_command(
    layer: Annotated[
        str,
        typer.Argument(
            help='A layer as it is written in PyTorch: "nn.Conv1d(3, 16, 5, stride=2)".',
            show_default=False,
        ),
    ],
    shape: Annotated[
        str | None,
        typer.Option(
            "--input", "-i", metavar="SHAPE", help="An input in PyTorch's order, 2,3,1024."
        ),
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the Keras code for one PyTorch layer, with a reason for each argument and the measured difference.

    The layer's text is parsed, never evaluated.
    """
    with _reported(as_json=as_json):
        sizes = parse_plain_shape(shape) if shape else None
        _load_keras()
        from torch2keras.explanation.explain import explain_text

        explanation = explain_text(layer, sizes)
    if as_json:
        print_json(explanation.as_dict())
    else:
        print_text(str(explanation))


@app.command("ops")
def ops_command(
    name: Annotated[
        str, typer.Argument(help="Part of an op's name, as conv1d or aten.sum.", show_default=False)
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List the supported ops: what each becomes, and which of its axes are the same."""
    with _reported(as_json=as_json):
        _load_keras()
        from torch2keras.reporting.op_table import op_details, op_list, op_rows

        rows = op_rows(name)
    if as_json:
        print_json({"ops": [row.as_dict() for row in rows]})
    else:
        print_text(op_details(rows) if name else op_list(rows))


def _load_keras() -> None:
    """Import Keras. Raises InputError where its backend is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with stderr_on_failure():
            import keras  # noqa: F401
    except ModuleNotFoundError as error:
        raise errors.InputError(
            f"Keras cannot start: there is no module {error.name!r}",
            [
                (
                    "next",
                    "pip install 'torch2keras[tensorflow]', or set KERAS_BACKEND to a backend that is installed",
                )
            ],
        ) from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


@contextmanager
def _reported(*, as_json: bool) -> Iterator[None]:
    """Turn an error of this package, or Ctrl-C, into its message and exit code."""
    try:
        yield
    except errors.Torch2KerasError as error:
        print_error(error, as_json=as_json)
        raise typer.Exit(EXIT_CODES[type(error)]) from error
    except KeyboardInterrupt as error:
        print_interrupted(as_json=as_json)
        raise typer.Exit(INTERRUPTED) from error


if __name__ == "__main__":
    main()
