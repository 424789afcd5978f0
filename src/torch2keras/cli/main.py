"""The command line.

Exit codes: 0 done, 1 a bug of this package, 2 usage (a wrong SOURCE or input too), 3 refused as
unsafe, 4 unsupported, 5 verification failed, 6 the result cannot be written, 130 interrupted.
PyTorch and Keras are imported by the commands that need them: `--help` answers at once.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from torch2keras import errors
from torch2keras.cli.bug_report import (
    ErrorWriter,
    ReportFile,
    list_error_writers,
    write_bug_report,
)
from torch2keras.cli.checkpoint_list import list_file
from torch2keras.cli.deployment_options import (
    BatchOption,
    CalibrationFile,
    FloorOption,
    IntegerPorts,
    KeptModules,
    OutputOption,
    QuantizeChoice,
    ShardSize,
    Target,
    WeightsFormatOption,
    WeightsOption,
)
from torch2keras.cli.input_shapes import parse_plain_shape
from torch2keras.cli.source_options import (
    AsJson,
    SourceOptions,
    Trust,
    VerifyOption,
    add_note,
    build_call,
    is_source,
    load_with_inputs,
    require_use_of_trust,
    take_source_options,
)
from torch2keras.cli.terminal import (
    error_document,
    keep_stdout,
    print_error,
    print_interrupted,
    print_json,
    print_text,
    show_stages,
)
from torch2keras.cli.twin_options import build_twin_call
from torch2keras.keras_model.saving import require_report_path, require_writable, save_model
from torch2keras.runtime.free_memory import limit_memory
from torch2keras.runtime.optional_package import import_keras
from torch2keras.runtime.progress import Progress
from torch2keras.runtime.typed_errors import as_typed_error

EXIT_CODES: dict[type[errors.Torch2KerasError], int] = {
    errors.InputError: 2,
    errors.SourceError: 2,
    errors.InternalError: 1,
    errors.UnsafeFileError: 3,
    errors.CaptureError: 4,
    errors.UnsupportedOpError: 4,
    errors.LoweringError: 4,
    errors.DeploymentError: 4,
    errors.VerificationError: 5,
    errors.OutputError: 6,
}


INTERRUPTED = 130


USAGE = 2


app = typer.Typer(
    name="torch2keras",
    help="PyTorch modules as Keras 3 models of stock layers, channels last, verified.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Run the command line of this process, and exit with its code."""
    arguments = sys.argv[1:]
    command = typer.main.get_command(app)
    # Typer gives UsageError no public name of its own, but it is what BadParameter is.
    usage_error: Any = typer.BadParameter.__bases__[0]
    if "--json" not in arguments:
        command.main(args=arguments, prog_name="torch2keras")
    try:
        sys.exit(command.main(args=arguments, prog_name="torch2keras", standalone_mode=False) or 0)
    except usage_error as error:
        rows = {"next": "torch2keras --help"}
        print_json(error_document("UsageError", error.format_message(), rows))
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


NoVerify = Annotated[
    bool, typer.Option("--no-verify", help="Do not compare the model with the module.")
]


Full = Annotated[bool, typer.Option("--full", help="Show every module, unfolded, with your lines.")]


@app.command("convert")
@take_source_options
def convert_command(
    options: SourceOptions,
    *,
    output: OutputOption,
    batch: BatchOption = None,
    quantize: QuantizeChoice = None,
    calibration: CalibrationFile = None,
    floor_db: FloorOption = None,
    keep_float: KeptModules = None,
    integer_ports: IntegerPorts = False,
    weights_format: WeightsFormatOption = WeightsOption.H5,
    max_shard_size: ShardSize = None,
    no_verify: NoVerify = False,
    verify: Annotated[
        VerifyOption,
        typer.Option(
            "--verify", help="What to compare: gradients beside outputs, or 20 steps of both sides."
        ),
    ] = VerifyOption.OUTPUTS,
    full: Full = False,
    report_file: ReportFile = None,
) -> None:
    """Convert SOURCE to a Keras model, verify it, save it, and print what became of what.

    SOURCE is package.module:factory or file.py:factory (called without arguments), the name of an
    architecture (torchvision:NAME, timm:NAME, ultralytics:NAME, smp:NAME), or a folder of a
    transformers or diffusers model (hf:PATH, diffusers:PATH) or its config.json alone, or a file of
    TorchScript (torchscript:FILE). Models of zoos need no --input: a text, two images, a second of
    sound are the example by default.
    """
    with _show_work(options, report_file) as progress:
        if no_verify and verify is not VerifyOption.OUTPUTS:
            raise errors.InputError(
                f"--no-verify and --verify {verify.value} are opposites",
                [("next", "give one of them")],
            )
        shapes = options.parse_inputs()
        quantization = (quantize, calibration, floor_db, keep_float, integer_ports)
        target = Target(output, batch, *quantization, weights_format, max_shard_size)
        target.require_place()
        require_report_path(report_file)
        call = build_call(options, shapes, progress)
        from torch2keras import convert

        is_plain = verify is VerifyOption.OUTPUTS
        converted = convert(**call.arguments, verify=is_plain and not no_verify)
        if not is_plain:
            progress("verify")
            converted.verify(level=verify.value)
        progress("save")
        saved = target.write(converted)
        report = add_note(converted.report, call.note)
        if report_file is not None:
            report.save(report_file)
    if options.as_json:
        print_json({"saved": str(saved), "report": report.as_dict()})
    elif not options.quiet:
        page = report.full_text() if full else str(report)
        print_text(f"{page}\n\nsaved {saved}")


@app.command("inspect")
@take_source_options
def inspect_command(options: SourceOptions, *, report_file: ReportFile = None) -> None:
    """Show what convert would make of each op of SOURCE, and what it refuses; copy no weight.

    Exits with 4 where an op is refused.
    """
    with _show_work(options, report_file) as progress:
        require_report_path(report_file)
        call = build_call(options, options.parse_inputs(), progress)
        from torch2keras import inspect

        inspection = add_note(inspect(**call.arguments), call.note)
        if report_file is not None:
            inspection.save(report_file)
    if options.as_json:
        print_json(inspection.as_dict())
    elif not options.quiet:
        print_text(str(inspection))
    if not inspection.ok:
        if options.bug_report:
            refusal = f"ops of {options.source} are refused"
            _write_report(
                functools.partial(write_bug_report, sys.argv[1:], refusal, str(inspection))
            )
        raise typer.Exit(EXIT_CODES[errors.UnsupportedOpError])


TwinFile = Annotated[
    Path,
    typer.Argument(
        metavar="TWIN",
        help="The Keras model that somebody wrote by hand: a .keras file.",
        show_default=False,
    ),
]


MappingFile = Annotated[
    Path | None,
    typer.Option(
        "--mapping", metavar="JSON", help="Which layers are the same: a file of --save-mapping."
    ),
]


SavedMapping = Annotated[
    Path | None,
    typer.Option("--save-mapping", metavar="JSON", help="Write which layers are the same."),
]


@app.command("compare")
@take_source_options
def compare_command(
    options: SourceOptions,
    *,
    twin: TwinFile,
    mapping: MappingFile = None,
    save_mapping: SavedMapping = None,
) -> None:
    """Compare SOURCE with a Keras model of the same, written by hand: where they part, and why.

    Exits with 5 where the model does not give the numbers of SOURCE by equal weights, or its own
    weights are mixed up.
    """
    with _show_work(options) as progress:
        given = build_twin_call(options, twin, mapping, progress)
        from torch2keras import compare

        comparison = compare(**given)
        _save_mapping(comparison, save_mapping)
    _print_result(options, comparison)
    if not comparison.ok:
        raise typer.Exit(EXIT_CODES[errors.VerificationError])


@app.command("transfer")
@take_source_options
def transfer_command(
    options: SourceOptions,
    *,
    twin: TwinFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="The .keras file to write: the twin with the weights of SOURCE.",
            show_default=False,
        ),
    ],
    mapping: MappingFile = None,
    save_mapping: SavedMapping = None,
    no_strict: Annotated[
        bool,
        typer.Option("--no-strict", help="Take what fits, though the outputs may differ."),
    ] = False,
) -> None:
    """Copy the weights of SOURCE into a Keras model of the same, written by hand, and verify it.

    Nothing is written where a weight has no counterpart, or the outputs differ.
    """
    with _show_work(options) as progress:
        require_writable(output)
        given = build_twin_call(options, twin, mapping, progress)
        from torch2keras import transfer

        module, model = given.pop("module"), given.pop("keras_model")
        result = transfer(module, model, **given, strict=not no_strict)
        _save_mapping(result, save_mapping)
        progress("save")
        saved = save_model(model, output)
    _print_result(options, result, saved)


def _save_mapping(result: Any, path: Path | None) -> None:
    """Write the mapping of a comparison or transfer, if that is asked for."""
    if path is not None:
        result.mapping.save(path)


def _print_result(options: SourceOptions, result: Any, saved: Path | None = None) -> None:
    """Print a comparison or transfer, and where the model was saved."""
    if options.as_json:
        document = result.as_dict()
        if saved is not None:
            document = {"saved": str(saved), **document}
        print_json(document)
    elif not options.quiet:
        page = str(result)
        if saved is not None:
            page = f"{page}\n\nsaved {saved}"
        print_text(page)


@app.command("explain")
def explain_command(
    layer: Annotated[
        str,
        typer.Argument(
            help=(
                'A layer as it is written in PyTorch: "nn.Conv1d(3, 16, 5, stride=2)"; '
                "or a SOURCE, as for convert."
            ),
            show_default=False,
        ),
    ],
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--input", "-i", metavar="SHAPE", help="An input in PyTorch's order, 2,3,1024."
        ),
    ] = None,
    *,
    trust: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Print Keras code that runs for a PyTorch layer, block or net, and the reasons for it.

    The layer's text is parsed, never evaluated.
    """
    with exit_on_error(as_json=as_json), show_stages(shown=True) as progress:
        if is_source(layer):
            progress("load")
            module, inputs = load_with_inputs(layer, shapes or (), trust=trust)
            from torch2keras import explain

            explanation = explain(module, inputs, progress=progress)
        else:
            require_use_of_trust(layer, trust=trust)
            sizes = list(map(parse_plain_shape, shapes or ()))
            progress("load")
            import_keras()
            from torch2keras.explanation.explain import explain_text

            explanation = explain_text(layer, sizes or None, progress=progress)
    if as_json:
        print_json(explanation.as_dict())
    else:
        print_text(str(explanation))


@app.command("weights")
def weights_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="A file of weights, .safetensors or what torch.save has written; or a .keras file "
            "of ours, for its map.",
            show_default=False,
        ),
    ],
    *,
    entry: Annotated[str, typer.Option(help="List this dictionary of the file alone.")] = "",
    as_json: AsJson = False,
) -> None:
    """List the names, shapes and dtypes of a file of weights; run nothing that it holds.

    Of a .keras file that torch2keras has saved, which weight is made of which tensor of the module.
    """
    with exit_on_error(as_json=as_json):
        page = list_file(file, entry)
    if as_json:
        print_json(page.document)
    else:
        print_text(page.text)


@app.command("ops")
def ops_command(
    name: Annotated[
        str,
        typer.Argument(
            help="Part of an op's name, as conv1d or aten.sum, or Keras's, as Dense.",
            show_default=False,
        ),
    ] = "",
    *,
    as_json: AsJson = False,
) -> None:
    """List the supported ops: what each becomes, and which of its axes are the same."""
    with exit_on_error(as_json=as_json):
        import_keras()
        from torch2keras.reporting.op_table import find_ops, format_op_details, format_op_list

        rows = find_ops(name)
    if as_json:
        print_json({"ops": [row.as_dict() for row in rows]})
    elif name:
        print_text(format_op_details(rows))
    else:
        print_text(format_op_list(rows))


@contextmanager
def _show_work(options: SourceOptions, report_file: Path | None = None) -> Iterator[Progress]:
    """Give a function to be told each stage as it begins; errors and Ctrl-C end the command."""
    writers = list_error_writers(bug_report=options.bug_report, page=report_file)
    with (
        exit_on_error(as_json=options.as_json, quiet=options.quiet, writers=writers),
        show_stages(shown=not options.quiet) as progress,
        limit_memory(options.parse_memory()),
    ):
        yield progress


def _find_typed_error(error: Exception) -> errors.Torch2KerasError:
    """Return an error of this package, or the one that stands for any other."""
    if isinstance(error, errors.Torch2KerasError):
        return error
    typed = as_typed_error(error, "load")
    typed.__cause__ = error
    return typed


@contextmanager
def exit_on_error(
    *, as_json: bool, quiet: bool = False, writers: Sequence[ErrorWriter] = ()
) -> Iterator[None]:
    """Turn an error, or Ctrl-C, into its message and exit code; stdout is for results alone.

    `writers` are given the error too.
    """
    try:
        with keep_stdout(quiet=quiet):
            yield
    except Exception as error:
        typed = _find_typed_error(error)
        print_error(typed, as_json=as_json)
        for write in writers:
            _write_report(functools.partial(write, sys.argv[1:], typed))
        raise typer.Exit(EXIT_CODES[type(typed)]) from error
    except KeyboardInterrupt as error:
        print_interrupted(as_json=as_json)
        raise typer.Exit(INTERRUPTED) from error


def _write_report(write: Callable[[], Path]) -> None:
    """Write a file for an issue, and say so; that it cannot be written changes no exit code."""
    try:
        sys.stderr.write(f"written: {write()}\n")
    except errors.OutputError as error:
        print_error(error, as_json=False)


if __name__ == "__main__":
    main()
