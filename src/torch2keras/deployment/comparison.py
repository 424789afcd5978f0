"""A written file, run by its runtime, against the module: tier N of `verification.metric`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.deployment.formats import PortLayout
from torch2keras.deployment.sizes import FileSizes
from torch2keras.errors import DeploymentError, VerificationError
from torch2keras.runtime.arrays import as_real, to_numpy
from torch2keras.verification.input_sets import Given, example_sets, replace_tensors
from torch2keras.verification.metric import EPS, numerics
from torch2keras.verification.random_rounding import RandomRuns, Rounded
from torch2keras.verification.reference import run64
from torch2keras.verification.results import Check

PROBES = ("normal", "wide", "example")

Outputs = Mapping[str, Sequence[np.ndarray]]
"""What a file gives for one set of inputs, by each way of calling it."""

Runtime = Callable[[Sequence[Sequence[np.ndarray]]], Sequence[Outputs]]
"""Runs a file, loaded anew, on several sets of inputs."""


@dataclass(frozen=True, eq=False)
class Boundary:
    """How the arrays of a file are stored: as the ports, or in PyTorch's order."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    layout: PortLayout

    def store(self, given: Given) -> list[np.ndarray]:
        """Return a set of inputs as the file takes them."""
        stored = []
        for port, tensor in zip(self.inputs, given.tensors, strict=True):
            array = port.from_torch(tensor)
            if self.layout == "torch":
                array = np.ascontiguousarray(as_real(to_numpy(tensor)))
            stored.append(array)
        return stored

    def restore(self, place: int, array: np.ndarray) -> np.ndarray:
        """Return an output of the file in PyTorch's order; one of another rank as it is."""
        port = self.outputs[place]
        if array.ndim != len(port.torch_shape):
            return array
        if self.layout == "keras":
            return port.to_torch(array)
        ours = np.ascontiguousarray(array)
        if not port.is_complex:
            return ours
        return ours.view(np.result_type(ours.dtype, np.complex64))[..., 0]


def draw_sets(
    conversion: Conversion, sizes: FileSizes, notes: list[str], probes: Sequence[str] = PROBES
) -> list[Given]:
    """Return the sets of inputs for each size that a file promises.

    Raises DeploymentError where the module itself does not run with these.
    """
    try:
        return list(example_sets(conversion, probes, notes, sizes.fixed))
    except VerificationError as error:
        raise DeploymentError(
            f"the module itself does not run with a batch of {sizes.batch}",
            [*error.rows[:-1], ("next", "give another batch")],
        ) from error


def compare_file(
    conversion: Conversion, boundary: Boundary, sets: Sequence[Given], runtime: Runtime, name: str
) -> tuple[Check, ...]:
    """Run a file on all sets, and return the checks of each output and way.

    What is exact is computed meanwhile: most runtimes are processes of their own.
    Raises VerificationError at the first that fails, DeploymentError where the runtime does.
    """
    stored = [boundary.store(given) for given in sets]
    with ThreadPoolExecutor(1) as worker:
        running = worker.submit(runtime, stored)
        exact = [_run_exactly(conversion, given) for given in sets]
        found = running.result()
    checks: list[Check] = []
    for given, known, outputs in zip(sets, exact, found, strict=True):
        for way, check in _check_set(conversion, boundary, given, known, outputs):
            if not check.difference.ok:
                raise _refuse(name, way, check)
            checks.append(check)
    return tuple(checks)


def _run_exactly(conversion: Conversion, given: Given) -> list[np.ndarray]:
    args, kwargs = replace_tensors(conversion, given.tensors)
    return run64(conversion.module, args, kwargs)


def _check_set(
    conversion: Conversion,
    boundary: Boundary,
    given: Given,
    exact: Sequence[np.ndarray],
    outputs: Outputs,
) -> Iterator[tuple[str, Check]]:
    """Yield the way and check of each output; a way that gives the same bits is not told twice."""
    args, kwargs = replace_tensors(conversion, given.tensors)
    shapes = tuple(tuple(tensor.shape) for tensor in given.tensors)
    runs = RandomRuns(conversion.module, args, kwargs)
    for place, port in enumerate(boundary.outputs):
        theirs = given.outputs[place]
        rounded = Rounded(runs, place, exact[place])
        known: list[np.ndarray] = []
        for way, arrays in outputs.items():
            array = np.asarray(arrays[place])
            if any(_are_same(array, other) for other in known):
                continue
            known.append(array)
            ours = boundary.restore(place, array)
            eps = EPS.get(port.dtype, EPS["float32"])
            near = numerics(ours, theirs, exact[place], eps)
            if not near.ok:
                near = rounded.numerics(ours, theirs, eps)
            yield way, Check(given.probe, shapes, port.name, near)


def _are_same(one: np.ndarray, other: np.ndarray) -> bool:
    same_type = one.dtype == other.dtype and one.shape == other.shape
    return same_type and one.tobytes() == other.tobytes()


def _refuse(name: str, way: str, check: Check) -> VerificationError:
    shapes = ", ".join(str(list(shape)) for shape in check.shapes)
    return VerificationError(
        f"the {name} file does not give PyTorch's numbers in its own runtime",
        [
            ("output", check.output),
            ("run", way),
            ("probe", f"{check.probe}, inputs {shapes}"),
            ("tier", f"{check.difference.tier}: {check.difference.reason}"),
            ("next", "no file was written; please report it with this message"),
        ],
    )
