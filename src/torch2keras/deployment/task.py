"""One export under way: what is asked for, of which model, with which sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.deployment.comparison import Boundary
from torch2keras.deployment.flatbuffer import PortScales
from torch2keras.deployment.formats import DeploymentRequest, PortLayout
from torch2keras.deployment.result import Deployment, FilePort
from torch2keras.deployment.sizes import FileSizes, Shape
from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import OutputError, Torch2KerasError
from torch2keras.layout.port_orders import dimension_letters
from torch2keras.runtime.atomic_writing import write_whole
from torch2keras.runtime.typed_errors import describe_versions
from torch2keras.verification.results import Check


@dataclass
class ExportTask:
    """One export under way."""

    request: DeploymentRequest
    traced: TracedModel
    sizes: FileSizes
    notes: list[str] = field(default_factory=list)
    scales: PortScales = field(default_factory=dict)

    @property
    def conversion(self) -> Conversion:
        """The record of the conversion, with the weights that the model has now."""
        return self.traced.conversion

    def describe(self) -> dict[str, Any]:
        """Return what a file says of itself."""
        inputs, outputs = self.list_ports(self.request.layout)
        return {
            "torch2keras": version("torch2keras"),
            "versions": describe_versions(),
            "module": self.conversion.facts.class_paths.get("", ""),
            "layout": self.request.layout,
            "inputs": list(map(FilePort.as_dict, inputs)),
            "outputs": list(map(FilePort.as_dict, outputs)),
        }

    def list_ports(self, layout: PortLayout) -> tuple[list[FilePort], list[FilePort]]:
        """Return the inputs and outputs of the file."""
        inputs = []
        for port, shape in zip(self.traced.inputs, self.sizes.torch_shapes, strict=True):
            inputs.append(self._scale(_make_file_port(port, shape, layout), "inputs"))
        outputs = []
        shapes = self.sizes.output_shapes(self.conversion)
        for port, shape in zip(self.traced.outputs, shapes, strict=True):
            outputs.append(self._scale(_make_file_port(port, shape, layout), "outputs"))
        return inputs, outputs

    def _scale(self, port: FilePort, side: str) -> FilePort:
        """Return a port as it is quantised."""
        if (side, port.name) not in self.scales:
            return port
        scale, zero_point = self.scales[side, port.name]
        return replace(port, dtype="int8", scale=scale, zero_point=zero_point)

    def boundary(self, layout: PortLayout) -> Boundary:
        """Return how the arrays of the file are stored."""
        return Boundary(self.traced.inputs, self.traced.outputs, layout)

    def result(
        self,
        checks: tuple[Check, ...],
        size: int,
        operators: Mapping[str, int],
        *,
        signatures: tuple[str, ...] = (),
        runtime: str,
    ) -> Deployment:
        """Return what was written and proved."""
        inputs, outputs = self.list_ports(self.request.layout)
        return Deployment(
            path=self.request.path,
            format=self.request.format,
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            signatures=signatures,
            bytes=size,
            operators=operators,
            runtime=f"{runtime} {version(runtime)}",
            checks=checks,
            notes=tuple(self.notes),
        )


def _make_file_port(port: Port, shape: Shape, layout: PortLayout) -> FilePort:
    if layout == "torch":
        return FilePort(port.name, port.dtype, shape, " ".join(dimension_letters(len(shape))))
    stored = tuple(shape[dim] for dim in port.permutation)
    return FilePort(port.name, port.dtype, stored, port.order)


@contextmanager
def write_place(path: Path) -> Iterator[Path]:
    """Give a place to write to, which takes that of `path` without an error.

    Raises OutputError where it cannot be written.
    """
    try:
        with write_whole(path) as (place,):
            yield place
    except Torch2KerasError:
        raise
    except OSError as error:
        raise OutputError(
            f"cannot write {path}: {error}",
            [("next", "check the permissions and the free space there")],
        ) from error
