"""What the command line prints: results on stdout, stages and errors on stderr.

With --json one document is printed on stdout, for errors too.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from torch2keras.errors import Torch2KerasError, format_row, show_controls
from torch2keras.runtime.progress import Progress, Stage, ignore_stage

INTERRUPTED = "interrupted; nothing was written"


@contextmanager
def keep_stdout(*, quiet: bool) -> Iterator[None]:
    """Let what a module and its packages print go to stderr, or nowhere when `quiet`.

    That of child processes and of C libraries does too. What this package prints afterwards is all
    of stdout.
    """
    with ExitStack() as stack:
        if quiet:
            nowhere = stack.enter_context(Path(os.devnull).open("w", encoding="utf-8"))
            for number in (1, 2):
                stack.enter_context(_redirect_descriptor(number, nowhere.fileno()))
            stack.enter_context(redirect_stderr(nowhere))
        else:
            stack.enter_context(_redirect_descriptor(1, 2))
        stack.enter_context(redirect_stdout(sys.stderr))
        yield


@contextmanager
def _redirect_descriptor(number: int, to: int) -> Iterator[None]:
    """Let a descriptor of the process be another one within; a closed one stays so."""
    _flush_streams()
    try:
        own = os.dup(number)
    except OSError:
        yield
        return
    try:
        os.dup2(to, number)
        yield
    finally:
        _flush_streams()
        os.dup2(own, number)
        os.close(own)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        with suppress(AttributeError, OSError, ValueError):  # none, broken, or closed
            stream.flush()  # type: ignore[union-attr]


def print_text(text: str) -> None:
    """Print a result; its names and messages may be a stranger's."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = show_controls(text.rstrip("\n")) + "\n"
    sys.stdout.write(shown.encode(encoding, "backslashreplace").decode(encoding))


def print_json(document: Mapping[str, Any]) -> None:
    """Print a result as the one JSON document; NaN and infinity, which it has not, are null."""
    sys.stdout.write(json.dumps(_drop_nan(document), indent=2, allow_nan=False) + "\n")


def _drop_nan(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _drop_nan(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_drop_nan(part) for part in value]
    return value


def error_document(kind: str, message: str, rows: Mapping[str, str]) -> dict[str, Any]:
    """Return an error as it is printed with --json."""
    return {"error": {"type": kind, "message": message, "rows": dict(rows)}}


def print_error(error: Torch2KerasError, *, as_json: bool) -> None:
    """Print an error of this package on stderr, or as the one JSON document on stdout."""
    kind = type(error).__name__
    if as_json:
        document = error_document(kind, error.headline, dict(error.rows))
        document["error"]["page"] = error.page
        print_json(document)
        return
    below = error.message.removeprefix(error.headline) or "\n"
    text = Text.assemble(
        (kind, "bold red"),
        ": ",
        (error.headline, "bold"),
        f"{below}\n{format_row('page', error.page)}",
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
