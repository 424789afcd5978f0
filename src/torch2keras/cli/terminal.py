"""What the command line prints: results on stdout, stages and errors on stderr.

With --json one document is printed on stdout, for errors too.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from torch2keras.errors import Torch2KerasError
from torch2keras.runtime.progress import Progress, Stage, ignore_stage

INTERRUPTED = "interrupted; nothing was written"


def print_text(text: str) -> None:
    """Print a result as it is."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def print_json(document: Mapping[str, Any]) -> None:
    """Print a result as the one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def error_document(kind: str, message: str, rows: Mapping[str, str]) -> dict[str, Any]:
    """Return an error as it is printed with --json."""
    return {"error": {"type": kind, "message": message, "rows": dict(rows)}}


def print_error(error: Torch2KerasError, *, as_json: bool) -> None:
    """Print an error of this package on stderr, or as the one JSON document on stdout."""
    kind = type(error).__name__
    if as_json:
        print_json(error_document(kind, error.headline, dict(error.rows)))
        return
    text = Text.assemble(
        (kind, "bold red"),
        ": ",
        (error.headline, "bold"),
        error.message.removeprefix(error.headline),
    )
    Console(stderr=True, highlight=False).print(text, soft_wrap=True)


def print_interrupted(*, as_json: bool) -> None:
    """Print that Ctrl-C ended the command."""
    if as_json:
        print_json(error_document("KeyboardInterrupt", INTERRUPTED, {}))
    else:
        sys.stderr.write(f"{INTERRUPTED}\n")


@contextmanager
def show_stages(*, shown: bool) -> Iterator[Progress]:
    """Give a function to be told each stage as it begins.

    It draws a bar where stderr is a terminal, and prints a line for each stage elsewhere.
    """
    console = Console(stderr=True, highlight=False)
    if not shown:
        yield ignore_stage
    elif not console.is_terminal:
        yield lambda stage: console.print(f"{stage} ...")
    else:
        with _show_bar(console) as progress:
            yield progress


@contextmanager
def _show_bar(console: Console) -> Iterator[Progress]:
    from rich import progress as bars

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description:<8}"),
        bars.BarColumn(),
        bars.TimeElapsedColumn(),
    )
    order = ("load", *Stage, "save")
    with bars.Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(order))

        def advance(stage: str) -> None:
            bar.update(task, description=stage, completed=order.index(stage))

        yield advance
