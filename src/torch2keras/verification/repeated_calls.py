"""Whether a module gives the same numbers each time it is called.

What is compared with a module is one call. A module whose second call differs, because it remembers
the first one (`self.state = ...`, a counter, a running mean) or because it asks a clock or a
generator that no seed of ours reaches, has no numbers that a model without state could give.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from torch2keras.errors import VerificationError, list_names
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.native_attributes import instance_dict, is_native, submodules
from torch2keras.verification.float64_torch import Journal
from torch2keras.verification.reference import as_arrays, clone_tensors

Call = tuple[Sequence[Any], Mapping[str, Any]]
"""The arguments of one call: by position, and by name."""

_TABLES = ("_parameters", "_buffers", "_modules")


def require_repeatable(module: nn.Module, example: Call, other: Call) -> None:
    """Raise VerificationError where a module's numbers for the example depend on earlier calls.

    It is called on the example, on `other` and on the example again, with the same seed of
    PyTorch's generator each time. The two answers must be equal bit for bit; where they are not,
    once more on a single thread, since sums that threads share may round in another order.
    All comes back as it was. A module that does not run on the example is not looked at.
    """
    if _find_changed_attributes(module, example, other) is None:
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        changed = _find_changed_attributes(module, example, other)
    finally:
        torch.set_num_threads(threads)
    if changed is not None:
        raise _refuse(changed)


def _find_changed_attributes(module: nn.Module, example: Call, other: Call) -> list[str] | None:
    """Return None where both answers for the example are equal, else what the calls changed."""
    journal = Journal()
    with isolate_module(module, seed=0):
        try:
            with journal:
                first = _run(module, example)
                before = _fingerprints(module)
                _try_to_run(module, other)
                second = _run(module, example)
                after = _fingerprints(module)
        except Exception:  # noqa: BLE001 - the comparison of numbers says that it does not run
            return None
        finally:
            journal.undo()
    if _are_equal(first, second):
        return None
    return [name for name in after if after[name] != before.get(name)]


def _try_to_run(module: nn.Module, call: Call) -> None:
    """Run a module on numbers that it may refuse."""
    try:
        _run(module, call)
    except Exception:  # noqa: BLE001 - the module may raise anything
        return


def _run(module: nn.Module, call: Call) -> list[np.ndarray]:
    torch.manual_seed(0)
    args, kwargs = clone_tensors((tuple(call[0]), dict(call[1])))
    with torch.no_grad():
        return as_arrays(module(*args, **kwargs))


def _are_equal(first: Sequence[np.ndarray], second: Sequence[np.ndarray]) -> bool:
    if len(first) != len(second):
        return False
    pairs = zip(first, second, strict=True)
    return all(_same_bits(a, b) for a, b in pairs)


def _same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _fingerprints(module: nn.Module) -> dict[str, tuple[Any, ...]]:
    """Return attribute path -> what tells whether it was replaced or written to."""
    found: dict[str, tuple[Any, ...]] = {}
    for path, part in submodules(module).items():
        prefix = f"{path}." if path else ""
        attributes = instance_dict(part) or {}
        for name, value in attributes.items():
            if name not in _TABLES:
                found[prefix + name] = _fingerprint(value)
        for name, buffer in (attributes.get("_buffers") or {}).items():
            found[prefix + name] = _fingerprint(buffer)
    return found


@dataclass(frozen=True, eq=False)
class _Same:
    """An object, equal to nothing but itself.

    It is held, since the id of an object that is freed is soon another's.
    """

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


def _fingerprint(value: Any) -> tuple[Any, ...]:
    if type(value) in (int, float, str, bool):
        return type(value), value
    if is_native(value, torch.Tensor):
        return _Same(value), value._version  # noqa: SLF001 - counts the writes to a tensor
    if is_native(value, dict):
        return _Same(value), *map(_Same, dict.values(value))
    if is_native(value, list):
        return _Same(value), *map(_Same, list.__iter__(value))
    if is_native(value, deque):
        return _Same(value), *map(_Same, deque.__iter__(value))
    return (_Same(value),)


def _refuse(changed: Sequence[str]) -> VerificationError:
    headline = "the module gives other numbers when it is called again on the same input"
    if not changed:
        return VerificationError(
            headline,
            [
                ("why", "it asks a clock, a counter or a random generator of its own"),
                ("next", "compute that number outside, and give it to forward as an input"),
            ],
        )
    return VerificationError(
        headline,
        [
            ("state", list_names(changed)),
            ("why", "forward keeps it from one call to the next; a Keras model keeps nothing"),
            ("next", "give it to forward as an input, and return its new value as an output"),
        ],
    )
