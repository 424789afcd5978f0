"""What `compare` and `transfer` are called with: a SOURCE, and the file of its Keras twin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch2keras.cli.source_options import SourceOptions, build_call
from torch2keras.errors import InputError
from torch2keras.runtime.progress import Progress

SUFFIX = ".keras"

OPTIONS = ("dynamic_shapes", "layout", "capture", "state", "random", "name")
"""What of the arguments of `convert` goes on to the conversion of SOURCE."""


def build_twin_call(
    options: SourceOptions, twin: Path, mapping: Path | None, progress: Progress
) -> dict[str, Any]:
    """Return the arguments of `compare` and `transfer`, the twin loaded.

    Raises InputError where the file is no Keras model, where only some inputs have names, with a
    dtype, UnsafeFileError where it would run code, and what `build_call` raises.
    """
    require_twin_file(twin)
    if options.dtype is not None:
        raise InputError(
            "--dtype has no meaning here: both models are compared in the types that they have",
            [("next", "leave it out")],
        )
    call = build_call(options, options.parse_inputs(), progress)
    from torch2keras.keras_model.model_file import open_model

    args, kwargs = call.arguments["args"], call.arguments["kwargs"]
    if args and kwargs:
        raise InputError(
            "some inputs have the names of parameters, and some have none",
            [("next", "name all of them, or none: -i PARAMETER:SHAPE or -i SHAPE")],
        )
    return {
        "module": call.arguments["module"],
        "keras_model": open_model(twin),
        "args": args or kwargs,
        "mapping": mapping,
        "options": {name: call.arguments[name] for name in OPTIONS},
    }


def require_twin_file(path: Path) -> None:
    """Raise InputError where a path is no `.keras` file."""
    if path.suffix != SUFFIX or not path.is_file():
        raise InputError(
            f"no Keras model: {path}",
            [("next", "give the .keras file that model.save(path) wrote")],
        )
