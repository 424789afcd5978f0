"""The formats that a model is exported to, and what is asked of one export."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack, get_args

from torch2keras.errors import InputError, OutputError
from torch2keras.keras_model.saving import read_mode, require_parent, require_plain_name

PortLayout = Literal["keras", "torch"]
"""The order of the dimensions of a file's inputs and outputs."""


LayoutChoice = PortLayout | Literal["default"]
"""The default is PyTorch's in an ONNX file, the model's elsewhere."""

QuantizeMode = Literal["float16", "dynamic", "int8"]
"""Weights in half precision, weights in 8 bits, or weights and values in 8 bits."""

BatchChoice = int | None | Literal["default"]
"""A size of the batch, None for any; the default is 1 in a `.tflite` file, any elsewhere."""


class QuantizeOptions(TypedDict, total=False):
    """The options of quantisation, which go together."""

    quantize: QuantizeMode | None
    calibration: Any
    keep_float: Sequence[str]
    floor_db: float | None
    integer_ports: bool


class Format(StrEnum):
    """What is written."""

    LITERT = "LiteRT"
    SAVED_MODEL = "SavedModel"
    ONNX = "ONNX"


SUFFIXES = {".tflite": Format.LITERT, ".onnx": Format.ONNX, "": Format.SAVED_MODEL}

SAVED_MODEL_FILE = "saved_model.pb"
"""What every SavedModel has at its top."""


@dataclass(frozen=True)
class DeploymentRequest:
    """One export as it is asked for; paths are checked by `build_deployment_request` alone."""

    path: Path
    format: Format
    batch: int | None = 1
    layout: PortLayout = "keras"
    quantize: QuantizeMode | None = None
    calibration: Any = None
    keep_float: tuple[str, ...] = ()
    """Paths of modules that stay float where all else is quantised."""
    floor_db: float | None = None
    """The least signal-to-noise ratio of an output, for which layers may stay float."""
    integer_ports: bool = False
    """Whether inputs and outputs that would be floats are int8, with a scale and a zero point."""


def read_format(path: str | Path) -> Format:
    """Return the format that a path is named for; a folder is a SavedModel.

    Raises OutputError for another suffix.
    """
    text = os.fspath(path)
    if text.endswith(("/", os.sep)):
        return Format.SAVED_MODEL
    suffix = Path(text).suffix
    if suffix in SUFFIXES:
        return SUFFIXES[suffix]
    raise OutputError(
        f"no format of deployment is named {suffix}",
        [
            ("path", text),
            ("next", "name net.tflite (LiteRT), net.onnx (ONNX) or a folder (SavedModel)"),
        ],
    )


def build_deployment_request(
    path: str | Path,
    batch: Any = "default",
    layout: Any = "default",
    **quantization: Unpack[QuantizeOptions],
) -> DeploymentRequest:
    """Return what is asked for, checked.

    Raises InputError for a batch or layout that is none, OutputError where nothing can be written.
    """
    kind = read_format(path)
    if batch == "default":
        batch = 1 if kind is Format.LITERT else None
    is_count = isinstance(batch, int) and not isinstance(batch, bool) and batch > 0
    if batch is not None and not is_count:
        raise InputError(
            f"no size of a batch: {batch!r}",
            [("next", "give a number from 1 on, or None for a batch of any size")],
        )
    if layout == "default":
        layout = "torch" if kind is Format.ONNX else "keras"
    _require_known("layout", layout, get_args(PortLayout))
    if layout == "keras" and kind is Format.ONNX:
        raise InputError(
            "an ONNX file has PyTorch's order: it is written from the module",
            [("next", 'leave layout out, or give layout="torch"')],
        )
    target = Path(path)
    require_place(target, kind)
    options = _check_quantization(kind, dict(quantization))
    return DeploymentRequest(target, kind, batch, layout, **options)


def _check_quantization(kind: Format, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of quantisation. Raises InputError for those that do not go together."""
    mode = options.get("quantize")
    others = [name for name in options if name != "quantize" and _is_given(options[name])]
    if mode is None:
        if others:
            raise InputError(
                f"{others[0]} is for quantised files", [("next", 'give quantize="int8" with it')]
            )
        return {}
    _require_known("quantize", mode, get_args(QuantizeMode))
    if kind is not Format.LITERT:
        raise InputError(
            f"quantize={mode!r} is for .tflite files", [("next", "name the file net.tflite")]
        )
    if mode == "float16" and others:
        raise InputError(
            f"{others[0]} is not for float16, which has one file and no ranges",
            [("next", f"leave {others[0]} out")],
        )
    if options.get("integer_ports") and mode != "int8":
        raise InputError(
            f"integer_ports is for int8, and quantize={mode!r} has floats between its layers",
            [("next", 'give quantize="int8", or leave integer_ports out')],
        )
    kept = options.get("keep_float") or ()
    if isinstance(kept, str):
        raise InputError(
            f"keep_float={kept!r} is no list", [("next", f"give keep_float=[{kept!r}]")]
        )
    return {
        **options,
        "keep_float": tuple(kept),
        "integer_ports": bool(options.get("integer_ports")),
    }


def _is_given(option: Any) -> bool:
    """Whether an option has another value than its default; arrays have no truth of their own."""
    if option is None or option is False:
        return False
    return not (isinstance(option, tuple | list) and not option)


def _require_known(what: str, given: Any, known: Sequence[str]) -> None:
    if given not in known:
        listed = ", ".join(map(repr, known))
        raise InputError(f"unknown {what} {given!r}", [("next", f"one of {listed}")])


def require_place(path: Path, kind: Format) -> None:
    """Check that a file, or the folder of a SavedModel, can be written there.

    Only a folder that is empty or holds a SavedModel is replaced. Raises OutputError.
    """
    if kind is Format.SAVED_MODEL:
        _require_folder(path)
    else:
        require_plain_name(path)
    require_parent(path.absolute())


def _require_folder(path: Path) -> None:
    """Raise OutputError where something else stands than a folder that may be replaced."""
    mode = read_mode(path)
    if mode is None:
        return
    if not stat.S_ISDIR(mode):
        raise OutputError(f"{path} is no folder of a SavedModel", [("next", "name another one")])
    if any(path.iterdir()) and not (path / SAVED_MODEL_FILE).exists():
        raise OutputError(
            f"the folder {path} holds other files than a SavedModel's",
            [("next", "name a folder that is new, or empty")],
        )
