"""Whether a module gives the same numbers each time it is called.

What is compared with a module is one call. A module whose second call differs, because it remembers
the first one (`self.state = ...`, a counter, a running mean) or because it asks a clock or a
generator that no seed of ours reaches, has no numbers that a model without state could give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from torch2keras.capture.ports.places import find_attribute_places, note_fingerprints
from torch2keras.custom_ops.recurrent import pad_packed_in_full
from torch2keras.errors import VerificationError, list_names
from torch2keras.runtime.isolation import isolate_module
from torch2keras.runtime.journal import Journal, put_back
from torch2keras.verification.reference import as_arrays, clone_tensors, run

Call = tuple[Sequence[Any], Mapping[str, Any]]
"""The arguments of one call: by position, and by name."""


def require_repeatable(
    module: nn.Module, call: Call, other: Call, outputs: Sequence[np.ndarray]
) -> None:
    """Raise VerificationError where a module's numbers for a call depend on earlier calls.

    `outputs` are what `run` gives for the call. It is called on `other` and then on `call`, and
    where that has changed something once more, with the same seed of PyTorch's generator each time.
    The answers must be equal bit for bit; where they are not, all is done once more on a single
    thread, since sums that threads share may round in another order.
    All comes back as it was. A module that refuses the call is not looked at.
    """
    if _find_changed_attributes(module, call, other, outputs) is None:
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outputs = run(module, *call)
        changed = _find_changed_attributes(module, call, other, outputs)
    finally:
        torch.set_num_threads(threads)
    if changed is not None:
        raise _refuse(changed)


def _find_changed_attributes(
    module: nn.Module, call: Call, other: Call, outputs: Sequence[np.ndarray]
) -> list[str] | None:
    """Return None where the answer is the same as before, else what the calls changed."""
    journal = Journal()
    with isolate_module(module, seed=0), pad_packed_in_full(module), put_back(journal):
        try:
            with journal:
                _try_to_run(module, other)
                before = note_fingerprints(find_attribute_places(module))
                again = _run(module, call)
                after = note_fingerprints(find_attribute_places(module))
                if before != after and _are_equal(outputs, again):  # not at every call, it may be
                    again = _run(module, call)
        except Exception:  # noqa: BLE001 - the comparison of numbers says that it does not run
            return None
    if _are_equal(outputs, again):
        return None
    return [name for name in after if after[name] != before.get(name)]


def _try_to_run(module: nn.Module, call: Call) -> None:
    """Run a module on numbers that it may refuse."""
    try:
        _run(module, call)
    except Exception:  # noqa: BLE001 - the module may raise anything
        return


def _run(module: nn.Module, call: Call) -> list[np.ndarray]:
    torch.default_generator.manual_seed(0)
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
            ("next", 'convert(..., state="ports") makes it an input and an output of the model'),
        ],
    )
