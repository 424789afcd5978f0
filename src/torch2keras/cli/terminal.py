"""What the command line prints: results on stdout, stages and errors on stderr; with --json one document on stdout."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from torch2keras.errors import Torch2KerasError
from torch2keras.runtime.progress import Stage

INTERRUPTED = "interrupted; nothing was written"


def print_text(text: str) -> None:
    """A result, as it is."""
    sys.stdout.write(text.rstrip("\n") + "\n")


def print_json(document: Mapping[str, Any]) -> None:
    """A result as the one JSON document."""
    sys.stdout.write(json.dumps(document, indent=2, allow_nan=False) + "\n")


def error_document(kind: str, message: str, rows: Mapping[str, str]) -> dict[str, Any]:
    """An error as JSON."""
    return {"error": {"type": kind, "message": message, "rows": dict(rows)}}


def print_error(error: Torch2KerasError, *, as_json: bool) -> None:
    """An error of this package: its message on stderr, or as the one JSON document on stdout."""
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
    """Ctrl-C."""
    if as_json:
        print_json(error_document("KeyboardInterrupt", INTERRUPTED, {}))
    else:
        sys.stderr.write(f"{INTERRUPTED}\n")


@contextmanager
def stderr_on_failure() -> Iterator[None]:
    """Hold stderr back, and show it only where the body raises.

    TensorFlow's C++ reports at import that there is no GPU, before any of its settings for that is read.
    """
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(own, held.read())
            raise
        finally:
            os.dup2(own, 2)
            os.close(own)


@contextmanager
def stages(*, shown: bool) -> Iterator[Callable[[str], None]]:
    """A function to be told each stage as it begins: a bar where stderr is a terminal, else a line a stage."""
    console = Console(stderr=True, highlight=False)
    if not shown:
        yield lambda _: None
    elif not console.is_terminal:
        yield lambda stage: console.print(f"{stage} ...")
    else:
        with _bar(console) as tell:
            yield tell


@contextmanager
def _bar(console: Console) -> Iterator[Callable[[str], None]]:
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<8}"),
        BarColumn(),
        TimeElapsedColumn(),
    )
    order = ("load", *Stage, "save")
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=len(order))

        def tell(stage: str) -> None:
            progress.update(task, description=stage, completed=order.index(stage))

        yield tell
