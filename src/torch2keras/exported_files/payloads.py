"""The weights, constants and example inputs of a program: data, of the size that they say."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from typing import Any

import torch
from torch._export.serde.serialize import _SERIALIZE_TO_TORCH_DTYPE as DTYPES

from torch2keras.exported_files.archive import Archive
from torch2keras.exported_files.fields import Fault

WEIGHTS = "data/weights/"
CONSTANTS = "data/constants/"
PREFIXES = ("weight_", "tensor_")
"""How the records of tensors begin; objects to be unpickled have other names."""

STRIDED = 7
"""The number of the plain layout in the schema."""


def find_payload_fault(archive: Archive, config: Mapping[str, Any], folder: str) -> Fault | None:
    """Return the first entry of a list of weights or constants that is not a plain tensor.

    The list has been held to the schema. Each tensor must lie within its record.
    """
    for name, entry in config.items():
        meta = entry["tensor_meta"]
        record = folder + entry["path_name"]
        place = f"{folder}{name}"
        if entry["use_pickle"] or meta is None or not entry["path_name"].startswith(PREFIXES):
            return Fault(place, "an object that is unpickled")
        if record not in archive.sizes:
            return Fault(place, f"there is no record {record}")
        if meta["layout"] != STRIDED or meta["dtype"] not in DTYPES:
            return Fault(place, "a tensor of a kind without plain numbers")
        needed = _count_bytes(meta)
        if needed is None or needed > archive.sizes[record]:
            return Fault(place, f"a tensor that is larger than its record of {record}")
    return None


def _count_bytes(meta: Mapping[str, Any]) -> int | None:
    """Return up to which byte of its record a tensor reaches; None where its sizes are no numbers.

    Each size, stride and offset must be a number that is not negative.
    """
    values = [*meta["sizes"], *meta["strides"], meta["storage_offset"]]
    numbers = [value.get("as_int", -1) for value in values]
    rank = len(meta["sizes"])
    if min(numbers) < 0 or len(numbers) != 2 * rank + 1:
        return None
    sizes, strides, offset = numbers[:rank], numbers[rank : 2 * rank], numbers[-1]
    if 0 in sizes:
        return 0
    reach = offset + 1 + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True))
    elements = max(reach, math.prod(sizes) if 0 in strides else 0)
    dtype: torch.dtype = DTYPES[meta["dtype"]]
    return int(elements * dtype.itemsize)


def check_example_inputs(archive: Archive, name: str) -> None:
    """Load the inputs that a program was exported with as data alone.

    Raises pickle.UnpicklingError where they hold more than data, and what a damaged record gives.
    """
    data = archive.read(f"data/sample_inputs/{name}.pt")
    if not data:
        return
    match torch.load(io.BytesIO(data), map_location="cpu", weights_only=True):
        case (tuple(), dict()):
            return
    raise pickle.UnpicklingError("the example inputs are no arguments of a call")
