"""Random numbers that are inputs: drawn anew for each set of inputs, and the module's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from torch2keras.capture.ports.comparison import are_close
from torch2keras.capture.ports.draws import record_draws
from torch2keras.capture.ports.module_ports import Tensors, add_parameters
from torch2keras.conversion.record import Conversion
from torch2keras.errors import VerificationError, list_names
from torch2keras.verification.reference import run as run_module

OWN_SEED = 5

OWN_NUMBERS = "the module's own random numbers"
"""How the set of inputs is called in which they are recorded from the module as it is."""

Tensor = torch.Tensor


def find_draws(conversion: Conversion) -> slice:
    """Return where the random numbers stand among the flat inputs: before the states."""
    states, draws = len(conversion.ports.states), len(conversion.ports.draws)
    count = len(conversion.graph.inputs)
    return slice(count - states - draws, count - states)


def draw_anew(conversion: Conversion, tensors: Sequence[Tensor], seed: int) -> tuple[Tensor, ...]:
    """Return inputs with random numbers of their distributions, in the sizes that they have."""
    found = list(tensors)
    places = find_draws(conversion)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for port, place in zip(
            conversion.ports.draws, range(places.start, places.stop), strict=True
        ):
            given = found[place]
            found[place] = port.drawn.distribution.draw(tuple(given.shape), given.dtype)
    return tuple(found)


def record_own_numbers(
    conversion: Conversion, tensors: Sequence[Tensor]
) -> tuple[tuple[Tensor, ...], list[np.ndarray]]:
    """Return inputs with what the module draws from a seed, and what it gives as it is.

    `tensors` are an example of all inputs. Raises what the module raises.
    """
    ports = replace(conversion.ports, draws=())
    module = ports.wrap_module()
    drawn: list[Tensor] = []

    def record(args: tuple[Any, ...], kwargs: dict[str, Any], _: Tensors) -> Any:
        with record_draws() as found:
            outputs = module(*args, **kwargs)
        drawn.extend(one.values for one in found)
        return outputs

    rest = iter(tensors)
    args, kwargs = pytree.tree_map(
        lambda leaf: next(rest) if isinstance(leaf, Tensor) else leaf,
        (conversion.args, dict(conversion.kwargs)),
    )
    own = dict(kwargs)
    for port in conversion.ports.draws:
        del own[port.name]
    run_module(add_parameters(module, (), record), args, own, seed=OWN_SEED)
    given = list(tensors)
    given[find_draws(conversion)] = drawn
    outputs = run_module(module, args, own, seed=OWN_SEED)
    return tuple(given), outputs


def require_own_numbers(
    conversion: Conversion, ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]
) -> None:
    """Raise VerificationError where given numbers give other outputs than the module's own."""
    if are_close(list(map(torch.from_numpy, ours)), list(map(torch.from_numpy, theirs))):
        return
    places = dict.fromkeys(port.drawn.op for port in conversion.ports.draws)
    raise VerificationError(
        "the module gives other numbers where its random numbers are given to it",
        [
            ("probe", OWN_NUMBERS),
            ("draws", list_names(list(places))),
            ("next", "pass the noise as an input: def forward(self, x, noise)"),
        ],
    )
