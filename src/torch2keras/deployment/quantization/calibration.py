"""The inputs that a quantiser learns the ranges of values from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from torch2keras.deployment.sizes import Shape
from torch2keras.deployment.task import ExportTask
from torch2keras.errors import InputError
from torch2keras.runtime.arrays import to_numpy
from torch2keras.verification.input_sets import (
    Given,
    dynamic_sizes,
    example_tensors,
    replace_tensors,
)
from torch2keras.verification.probes import probes, resize_tensors
from torch2keras.verification.reference import run as run_module

RANDOM_SAMPLES = 16

MOST_SAMPLES = 128
"""Further ones add time, and hardly move a range."""

RANDOM_NOTE = (
    "CALIBRATED WITH RANDOM NUMBERS, since no calibration was given: the ranges of int8 fit "
    "N(0, 1), not your data. Give some hundred real inputs: calibration=..."
)


def draw_calibration(task: ExportTask, calibration: Any) -> list[Given]:
    """Return sets of inputs of the file's sizes, with what the module gives for them.

    Random ones, and of int8 a note of the task, where `calibration` is None. Raises InputError for
    what holds no inputs of these shapes.
    """
    conversion = task.conversion
    if calibration is None:
        if task.request.quantize == "int8":
            task.notes.append(RANDOM_NOTE)
        items = _draw_random(task)
    else:
        items = _fit_items(task, calibration)
    found = []
    for tensors in items:
        args, kwargs = replace_tensors(conversion, tensors)
        outputs = run_module(conversion.module, args, kwargs)
        found.append(Given("calibration", tuple(tensors), outputs))
        if len(found) == MOST_SAMPLES:
            break
    if not found:
        raise InputError("the calibration holds no inputs", [("next", "give at least one")])
    return found


def _draw_random(task: ExportTask) -> Iterator[list[torch.Tensor]]:
    """Yield the example's shapes with numbers of N(0, 1), integers as in the example."""
    graph = task.conversion.graph
    sizes = dynamic_sizes(graph, {**graph.hints, **task.sizes.fixed})
    example = resize_tensors(example_tensors(task.conversion), sizes)
    for seed in range(RANDOM_SAMPLES):
        (probe,) = probes(example, seed=seed, names=["normal"])
        yield list(probe.tensors)


def _fit_items(task: ExportTask, calibration: Any) -> Iterator[list[torch.Tensor]]:
    """Yield tensors of the file's shapes and the module's dtypes."""
    names, shapes = task.traced.input_names, task.sizes.torch_shapes
    dtypes = [tensor.dtype for tensor in example_tensors(task.conversion)]
    for item in _read_items(calibration, names, shapes):
        if len(item) != len(names):
            raise InputError(
                f"an item of the calibration has {len(item)} arrays, and the model {len(names)}",
                [("inputs", ", ".join(names))],
            )
        for arrays in _split_batches(item, names, shapes):
            pairs = zip(arrays, dtypes, strict=True)
            yield [torch.from_numpy(np.array(array)).to(dtype) for array, dtype in pairs]


def _read_items(
    calibration: Any, names: Sequence[str], shapes: Sequence[Shape]
) -> Iterator[list[np.ndarray]]:
    """Yield the arrays of each item of a file, folder, array or iterable."""
    if isinstance(calibration, str | Path):
        yield from _read_path(Path(calibration), names, shapes)
    elif isinstance(calibration, torch.Tensor | np.ndarray):
        yield [to_numpy(calibration)]
    elif isinstance(calibration, Mapping):
        yield _pick(calibration, names)
    elif isinstance(calibration, Iterable):
        for item in calibration:
            if isinstance(item, Mapping):
                yield _pick(item, names)
            elif isinstance(item, tuple | list):
                yield list(map(to_numpy, item))
            else:
                yield [to_numpy(item)]
    else:
        raise InputError(
            f"no calibration: {type(calibration).__name__}",
            [("next", "give an .npz file, a folder of .npy files, or an iterable of inputs")],
        )


def _read_path(
    path: Path, names: Sequence[str], shapes: Sequence[Shape]
) -> Iterator[list[np.ndarray]]:
    """Yield the items of an .npz file with an array an input, or of a folder of .npy files."""
    if path.is_dir():
        for file in sorted(path.glob("*.npy")):
            yield [_load(file)]
        return
    stored = _load(path)
    if not hasattr(stored, "files"):
        yield [stored]
        return
    arrays = _pick(stored, names)
    if all(array.ndim == len(shape) + 1 for array, shape in zip(arrays, shapes, strict=True)):
        for row in zip(*arrays, strict=True):
            yield list(row)
    else:
        yield arrays


def _load(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"no calibration can be read from {path}: {error}",
            [("next", "give an .npz file, or a folder of .npy files")],
        ) from error


def _pick(arrays: Mapping[str, Any], names: Sequence[str]) -> list[np.ndarray]:
    missing = [name for name in names if name not in arrays]
    if missing:
        raise InputError(
            f"the calibration has no array {missing[0]!r}",
            [("inputs", ", ".join(names)), ("given", ", ".join(arrays))],
        )
    return [to_numpy(arrays[name]) for name in names]


def _split_batches(
    item: Sequence[np.ndarray], names: Sequence[str], shapes: Sequence[Shape]
) -> Iterator[list[np.ndarray]]:
    """Yield parts of an item along its first dim, each of the file's batch; a rest is left out."""
    parts: list[list[np.ndarray]] = []
    for array, name, shape in zip(item, names, shapes, strict=True):
        whole = array[None] if array.ndim == len(shape) - 1 else array
        sizes = [size is None or size == own for size, own in zip(shape, whole.shape, strict=False)]
        if whole.ndim != len(shape) or not all(sizes[1:]):
            raise InputError(
                f"the calibration's {name} has the shape {array.shape}, the file's {shape}",
                [("next", "give inputs in PyTorch's order")],
            )
        step = shape[0] if shape else None
        if step is None or sizes[0]:
            parts.append([whole])
        else:
            count = len(whole) // step
            parts.append([whole[n * step : (n + 1) * step] for n in range(count)])
    for row in zip(*parts, strict=True):
        yield list(row)
