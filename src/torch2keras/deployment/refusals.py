"""Which of the user's lines an op comes from that a format does not have."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import DeploymentError, list_names
from torch2keras.keras_graph.graph import Call

REFUSED_OP = re.compile(
    r"'tf\.(\w+)' op (?:\w+ )?(?:is|requires|must|should|cannot|can't|has|failed)"
)
"""How the converter begins to say what is wrong with an op."""

LISTED_OPS = re.compile(r"^(?:Flex|Custom) ops: (.+)$", re.MULTILINE)
"""The converter's two ways to say which ops there are no builtins for."""

FAILED_NODE = re.compile(r"Node number \d+ \((\w+)\) failed")
"""How LiteRT's interpreter names an operator that it cannot prepare or run."""

MOST_PLACES = 4


def find_refused_ops(message: str) -> list[str]:
    """Return the ops of TensorFlow that a converter's message names."""
    names = dict.fromkeys(REFUSED_OP.findall(message))
    for listed in LISTED_OPS.findall(message):
        names.update(dict.fromkeys(name.strip() for name in listed.split(",")))
    return [name.removeprefix("Flex") for name in names]


def find_calls(traced: TracedModel, texts: Iterable[str]) -> list[Call]:
    """Return the calls whose name scopes stand in texts as names of tensors or ops, each once."""
    found: dict[int, Call] = {}
    scopes = traced.scopes
    for text in texts:
        for name in re.split(r'[;"\s]', text):
            for part in name.split("/"):
                call = scopes.get(part)
                if call is not None:
                    found[id(call)] = call
    return list(found.values())


def refuse_ops(
    traced: TracedModel, ops: Sequence[str], texts: Iterable[str], why: str, step: str
) -> DeploymentError:
    """Return the error for ops that LiteRT has not, with the places that they come from."""
    calls = find_calls(traced, texts)
    rows = [("op", list_names(ops))]
    for call in calls[:MOST_PLACES]:
        rows += [("keras", call.target), *call.origin.rows()]
    return DeploymentError(
        f"LiteRT has no builtin operator for {list_names(ops)}",
        [*rows, ("why", why), ("next", step)],
    )
