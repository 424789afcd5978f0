"""The calls that make the values of a graph, and how often each value is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch2keras.keras_graph.graph import Call, Ref


class Uses:
    """Who makes each value, and how often it is read."""

    def __init__(self, calls: Sequence[Call], outputs: Sequence[int]) -> None:
        self._makers: dict[int, Call] = {}
        self._readers: Counter[int] = Counter(outputs)
        for call in calls:
            self._makers.update(dict.fromkeys(call.outputs, call))
            self._readers.update(call.reads())

    def maker(self, call: Call, number: int = 0, *, alone: bool = False) -> Call | None:
        """Return the call that makes an argument; `alone` if nothing else may read it."""
        if number >= len(call.args) or not isinstance(call.args[number], Ref):
            return None
        index = call.args[number].index
        if alone and self._readers[index] > 1:
            return None
        return self._makers.get(index)
