"""Rates of dropout that the mode tells, as `dropout(x, p if self.training else 0.0)`.

Both modes make the same calls, and differ in nothing else: the graph in eval mode has the op of
each, and needs its rate alone. So the module needs not be exported once more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping

import torch
from torch import fx

from torch2keras.capture.training.mode_alignment import ATTENTION, Alignment
from torch2keras.capture.training.train_mode_calls import RecordedCall, pair_differing
from torch2keras.fx_passes.source_lines import module_path

RATE_NAMES: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "dropout": (frozenset({"1", "p"}), frozenset({"2", "training"})),
    "scaled_dot_product_attention": (frozenset({"4", "dropout_p"}), frozenset()),
}
"""Functions -> the names or places of their rate, and of their flag of training."""

FUNCTIONS: Mapping[object, str] = {
    torch.ops.aten.dropout.default: "dropout",
    ATTENTION: "scaled_dot_product_attention",
}
"""Ops of a graph -> the functions that they were."""

Caller = tuple[str, str]
"""The path of a module, and the function that it calls."""

Rates = Mapping[Caller, tuple[float, int]]
"""The rate that all these calls of a module have in training, and how many there are."""


def find_told_rates(in_eval: Counter[RecordedCall], in_train: Counter[RecordedCall]) -> Rates:
    """Return the rates, where the modes differ in rates alone; nothing where in anything else."""
    calls: defaultdict[Caller, list[float]] = defaultdict(list)
    for call, twin in pair_differing(in_eval, in_train):
        if call is None or twin is None:
            return {}
        rate = _read_rate(call, twin)
        if rate is None:
            return {}
        calls[call.place.path, call.name].append(rate)
    if any(len(set(rates)) > 1 for rates in calls.values()):
        return {}
    return {caller: (rates[0], len(rates)) for caller, rates in calls.items()}


def _read_rate(call: RecordedCall, twin: RecordedCall) -> float | None:
    """Return the rate of a call in train mode; None where it differs in something else."""
    names, flags = RATE_NAMES.get(call.name, (frozenset(), frozenset()))
    changed = {name for name, _ in set(call.numbers) ^ set(twin.numbers)}
    if not changed <= names | flags:
        return None
    given = [float(value) for name, value in call.numbers if name in names]
    return given[0] if given else None


def place_told_rates(graph: fx.Graph, rates: Rates) -> Alignment | None:
    """Return where the rates belong in the graph in eval mode.

    None where a module has more of these ops, or fewer.
    """
    nodes: defaultdict[Caller, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if node.target in FUNCTIONS:
            nodes[module_path(node)[0], FUNCTIONS[node.target]].append(node)
    found = Alignment()
    for caller, (rate, count) in rates.items():
        if len(nodes[caller]) != count:
            return None
        found.rates.update(dict.fromkeys(nodes[caller], rate))
    return found
