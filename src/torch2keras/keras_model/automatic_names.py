"""Names of ops and of layers within layers, which Keras makes up where it is given none.

Keras counts them in the process: the first sum is `add`, the next one `add_1`. Then a model would
depend on what was converted before, and nothing would say where a sum is from. Here an op is named
after the module that calls it, `layer1_0_add`, and the count begins anew for each model.
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
from keras.src.backend.common import global_state

from torch2keras.keras_graph.graph import Call, KerasGraph
from torch2keras.keras_graph.layer_names import make_unique, sanitize, write_as_snake

COUNTS = "object_name_uids"
"""Where Keras keeps how often it has given each name."""

Counts = collections.defaultdict[str, int]


@contextmanager
def count_anew(names: Iterable[str]) -> Iterator[None]:
    """Let Keras count its names from the beginning, past these.

    Afterwards it counts past those that were given meanwhile, and past those before.
    """
    before: Counts = global_state.get_global_attribute(COUNTS) or collections.defaultdict(int)
    counts: Counts = collections.defaultdict(int)
    for name in names:
        base, number = _split(name)
        counts[base] = max(counts[base], number)
        counts[name] = max(counts[name], 1)
    global_state.set_global_attribute(COUNTS, counts)
    try:
        yield
    finally:
        for name, count in counts.items():
            before[name] = max(before[name], count)
        global_state.set_global_attribute(COUNTS, before)


def _split(name: str) -> tuple[str, int]:
    """Return the name that Keras numbered, and how many of it there are then."""
    base, _, number = name.rpartition("_")
    return (base, int(number) + 1) if base and re.fullmatch("[0-9]+", number) else (name, 1)


class OperationNames:
    """Names for the ops of a graph: the module's path, or the model's name, and what the op is.

    None of them is one that Keras would make up: who builds on the model may go on with sums.
    """

    def __init__(self, graph: KerasGraph, taken: Iterable[str]) -> None:
        self.root, self.used = graph.name, set(taken)
        self.seen: set[int] = set()

    def name_operations(self, call: Call, results: Iterable[Any]) -> None:
        """Name the Keras operations behind the results of a call, those that have no name yet."""
        made: dict[int, keras.Operation] = {}
        waiting = list(results)
        while waiting:
            history: Any = getattr(waiting.pop(), "_keras_history", None)
            if history is None:
                continue
            operation = history.operation
            if isinstance(operation, keras.Layer) or id(operation) in self.seen:
                continue
            self.seen.add(id(operation))
            made[id(operation)] = operation
            node = operation._inbound_nodes[history.node_index]  # noqa: SLF001 - has no public name
            waiting += node.input_tensors
        for operation in reversed(made.values()):
            path = sanitize(call.origin.path) if call.origin.path else self.root
            kind = write_as_snake(type(operation).__name__)
            operation.name = make_unique(f"{path}_{kind}", self.used)
            self.used.add(operation.name)
