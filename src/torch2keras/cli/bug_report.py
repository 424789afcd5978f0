"""`--bug-report` and `--report`: what a refusal or a fault says, as a file for an issue."""

from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from torch2keras.errors import InternalError, OutputError, Torch2KerasError, show_controls
from torch2keras.runtime.atomic_writing import write_whole
from torch2keras.runtime.typed_errors import describe_versions

REPORT = Path("torch2keras-report.md")


PAGE = ".html"


ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--report", metavar="FILE", help="Write the report: report.html to look at, or .json, .txt."
    ),
]


ErrorWriter: TypeAlias = Callable[[Sequence[str], Torch2KerasError], Path]
"""Writes the arguments of the command line and an error, and returns the file."""


def write_bug_report(
    arguments: Sequence[str], headline: str, message: str, trace: str = "", file: Path = REPORT
) -> Path:
    """Write the command, what came of it and the versions; return the file.

    The folder of the user's is written as `~`. No weight and no line of the user's is in it but
    those that the message names. Raises OutputError where it cannot be written.
    """
    parts = [
        f"# {_one_line(headline)}",
        "## Command",
        _fence(shlex.join(["torch2keras", *arguments])),
        "## Message",
        _fence(message),
    ]
    if trace:
        parts += ["## Traceback", _fence(trace)]
    parts += [
        "## Versions",
        _fence("\n".join(describe_versions())),
        "## The module",
        "<!-- The module, or the smallest one that is refused alike, if you can share it. -->",
    ]
    text = show_controls("\n\n".join(parts)).replace(str(Path.home()), "~") + "\n"
    try:
        with write_whole(file.absolute()) as (place,):
            place.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        step = "run the command in a folder that you may write to"
        raise OutputError(
            f"cannot write {file}", [("error", str(error)), ("next", step)]
        ) from error
    return file


def list_error_writers(*, bug_report: bool, page: Path | None) -> list[ErrorWriter]:
    """Return what writes an error: a file for an issue, the page that was asked for as a report."""
    writers: list[ErrorWriter] = []
    if bug_report:
        writers.append(report_error)
    if page is not None and page.suffix == PAGE:
        writers.append(partial(write_error_page, page))
    return writers


def report_error(arguments: Sequence[str], error: Torch2KerasError) -> Path:
    """Write the report of an error, with the traceback where the fault is ours."""
    trace = ""
    if isinstance(error, InternalError):
        trace = "".join(traceback.format_exception(error))
    return write_bug_report(
        arguments, f"{type(error).__name__}: {error.headline}", error.message, trace
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _fence(text: str) -> str:
    """Return text as a block of code, whatever backticks it holds (CommonMark 4.5)."""
    runs = [len(run) for run in re.findall(r"`+", text)]
    fence = "`" * max(3, *(run + 1 for run in runs), 3)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def write_error_page(file: Path, arguments: Sequence[str], error: Torch2KerasError) -> Path:
    """Write an error as the page that was asked for as a report; return the file.

    Raises OutputError where it cannot be written.
    """
    from torch2keras.keras_model.saving import save_text
    from torch2keras.reporting.page.error_page import render_error

    return save_text(render_error(error, shlex.join(["torch2keras", *arguments])), file)
