"""The output of `convert`: a model of Keras, or a file for another runtime with its options."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from torch2keras.errors import InputError
from torch2keras.keras_model.saving import require_shards_place, require_writable
from torch2keras.runtime.free_memory import parse_bytes

DEPLOYED = (".tflite", ".onnx")
"""How the files end that `converted.export` writes; it also writes folders."""

DEPLOYMENT_OPTIONS = (
    "batch", "quantize", "calibration", "floor_db", "keep_float", "integer_ports",
)  # fmt: skip
"""What can be asked for of a file for another runtime alone."""

ANY = "any"
"""The option `batch` for a batch of every size."""


OutputOption = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="The file to write: model.keras, net.py for the model as code, its weights alone: "
        "net.weights.h5, net.safetensors; or for another runtime, run there and compared: "
        "net.tflite, net.onnx, saved_model/.",
        show_default=False,
    ),
]


class WeightsOption(StrEnum):
    """The format of the weights beside a file of code, or of those in a folder of shards."""

    H5 = "h5"
    SAFETENSORS = "safetensors"


WeightsFormatOption = Annotated[
    WeightsOption,
    typer.Option("--weights-format", help="Of the weights beside net.py, or of shards."),
]


ShardSize = Annotated[
    str | None,
    typer.Option(
        "--max-shard-size",
        metavar="BYTES",
        help="Write a folder OUT whose files of weights have at most this size: 2GB.",
        show_default=False,
    ),
]


BatchOption = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="N",
        help="The batch of a file for another runtime: a number, or any. By default 1 in "
        "net.tflite, any elsewhere.",
        show_default=False,
    ),
]


class QuantizeOption(StrEnum):
    """How many bits a `.tflite` file has."""

    FLOAT16 = "float16"
    DYNAMIC = "dynamic"
    INT8 = "int8"


QuantizeChoice = Annotated[
    QuantizeOption | None,
    typer.Option(
        "--quantize",
        help="A smaller net.tflite: weights of 16 bits, of 8, or weights and values of 8.",
        show_default=False,
    ),
]


CalibrationFile = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="DATA",
        help="Inputs in PyTorch's order to quantise by: an .npz file with an array an input, or a "
        "folder of .npy files.",
        show_default=False,
    ),
]


FloorOption = Annotated[
    float | None,
    typer.Option(
        "--floor-db",
        metavar="DB",
        help="The least signal-to-noise ratio: layers that lose most stay float for it.",
        show_default=False,
    ),
]


KeptModules = Annotated[
    list[str] | None,
    typer.Option(
        "--keep-float",
        metavar="MODULE",
        help="The path of a module that stays float, as encoder.head; may be given several times.",
        show_default=False,
    ),
]


IntegerPorts = Annotated[
    bool,
    typer.Option(
        "--integer-ports",
        help="Inputs and outputs of int8 too, with a scale and a zero point, for microcontrollers.",
    ),
]


@dataclass(frozen=True)
class Target:
    """Where the result goes, and how it is asked for."""

    text: str
    batch: str | None = None
    quantize: QuantizeOption | None = None
    calibration: Path | None = None
    floor_db: float | None = None
    keep_float: Sequence[str] | None = None
    integer_ports: bool = False
    weights_format: WeightsOption = WeightsOption.H5
    max_shard_size: str | None = None

    @property
    def is_deployment(self) -> bool:
        """Whether it is a file or folder for another runtime."""
        if self.max_shard_size is not None:
            return False
        return self.text.endswith(("/", os.sep)) or Path(self.text).suffix in DEPLOYED

    def require_place(self) -> None:
        """Check the options and that there can be written, before any work.

        Raises InputError for options that do not go together, OutputError for the place.
        """
        if not self.is_deployment:
            for option in DEPLOYMENT_OPTIONS:
                if getattr(self, option) not in (None, False):
                    name = option.replace("_", "-")
                    raise InputError(
                        f"--{name} is for files of other runtimes, and OUT is a model of Keras",
                        [("next", f"leave --{name} out, or give -o net.tflite")],
                    )
            if self.max_shard_size is None:
                require_writable(Path(self.text))
            else:
                parse_bytes(self.max_shard_size, "--max-shard-size")
                require_shards_place(Path(self.text))
            return
        from torch2keras.deployment.formats import build_deployment_request

        build_deployment_request(self.text, **self.arguments())

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `converted.export` beside the path. Raises InputError."""
        return {
            "batch": read_batch(self.batch),
            "quantize": None if self.quantize is None else self.quantize.value,
            "calibration": self.calibration,
            "floor_db": self.floor_db,
            "keep_float": tuple(self.keep_float or ()),
            "integer_ports": self.integer_ports,
        }

    def write(self, converted: Any) -> Path:
        """Write what was converted, and return where. Raises what `save` and `export` raise."""
        if self.is_deployment:
            path: Path = converted.export(self.text, **self.arguments()).path
            return path
        saved: Path = converted.save(
            Path(self.text),
            weights_format=self.weights_format.value,
            max_shard_size=self.max_shard_size,
        )
        return saved


def read_batch(text: str | None) -> Any:
    """Return the option `batch` of `converted.export`. Raises InputError for what is no size."""
    if text is None:
        return "default"
    if text == ANY:
        return None
    if text.isascii() and text.isdigit() and int(text) > 0:
        return int(text)
    raise InputError(
        f"--batch {text} is no size of a batch",
        [("next", "give a number from 1 on, or any")],
    )
