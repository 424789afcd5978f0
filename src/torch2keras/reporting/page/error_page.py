"""The page of a conversion that ended in an error, fit to be attached to an issue."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path

from torch2keras.errors import InternalError, Torch2KerasError
from torch2keras.reporting.page.page import make_environment
from torch2keras.runtime.typed_errors import describe_versions


def render_error(error: Torch2KerasError, command: str = "") -> str:
    """Return an error as one HTML file: its rows, the command, the versions, our own traceback.

    There is no weight in it, and no line of the user's but those that the message names; their
    folder is written as `~`.
    """
    trace = ""
    if isinstance(error, InternalError):
        trace = "".join(traceback.format_exception(error))
    page = (
        make_environment()
        .get_template("error.html.jinja")
        .render(
            error=error,
            kind=type(error).__name__,
            meaning=inspect.getdoc(type(error)),
            command=command,
            trace=trace,
            versions=describe_versions(),
        )
    )
    return page.replace(str(Path.home()), "~")
