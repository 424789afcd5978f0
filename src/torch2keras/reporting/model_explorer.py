"""A model and the errors of its values as files for Model Explorer, which draws whole graphs.

The forms are those of its `graph_builder.py` (a collection of graphs) and `node_data_builder.py`
(values by the ids of nodes): https://github.com/google-ai-edge/model-explorer
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from torch2keras.conversion.record import Conversion
from torch2keras.errors import show_controls
from torch2keras.keras_graph.graph import Call
from torch2keras.reporting.facts import TIERS, kind_of_call
from torch2keras.verification.value_errors import ValueErrors

Data = dict[str, Any]

GRADIENT = ({"stop": 0, "bgColor": "#d9f2e3"}, {"stop": 1, "bgColor": "#e4572e"})
"""The colours of the least and of the worst error in a graph."""

SHARES: Mapping[str, Callable[[ValueErrors], float]] = {
    "S": lambda found: found.meaning.share_of_bound,
    "N": lambda found: found.numerics.share_of_bound,
}
"""The tiers of the metric, and how far a value is off in each: a share of what is allowed."""


def write_explorer_files(
    conversion: Conversion, name: str, errors: Sequence[ValueErrors]
) -> dict[str, Data]:
    """Return the files by their names, as JSON: the graph, and the errors of each tier.

    An error is the worst of a call's values, as a share of what is allowed of an output.
    """
    label = show_controls(name)
    nodes = list(_write_nodes(conversion))
    files: dict[str, Data] = {"graph": {"label": label, "graphs": [{"id": label, "nodes": nodes}]}}
    for tier, measure in SHARES.items():
        results = _write_results(conversion, errors, measure)
        data: Data = {
            "name": f"error, {TIERS[tier]}, as a share of what is allowed",
            "results": results,
            "gradient": list(GRADIENT),
        }
        files[f"errors {TIERS[tier]}".replace(" ", "_")] = {label: data}
    return files


def _write_nodes(conversion: Conversion) -> Iterator[Data]:
    """Yield the inputs, the calls and the outputs of a model, each with what it reads."""
    graph = conversion.lowered.graph
    made_by: dict[int, tuple[str, int]] = {}
    for number, port in enumerate(graph.inputs):
        node_id = f"input_{number}"
        made_by[number] = node_id, 0
        yield _write_node(node_id, "Input", "", {"name": port.name}, [])
    for number, call in enumerate(graph.calls):
        sources = [made_by[index] for index in call.reads()]
        node_id = make_node_id(number)
        made_by |= {index: (node_id, place) for place, index in enumerate(call.outputs)}
        yield _write_node(node_id, kind_of_call(call), _find_group(call), _describe(call), sources)
    for number, index in enumerate(graph.outputs):
        yield _write_node(f"output_{number}", "Output", "", {}, [made_by[index]])


def make_node_id(number: int) -> str:
    """Return the id of a call's node."""
    return f"call_{number}"


def _write_node(
    node_id: str,
    label: str,
    group: str,
    facts: Mapping[str, str],
    sources: Sequence[tuple[str, int]],
) -> Data:
    edges = []
    for place, (source, output) in enumerate(sources):
        edges.append(
            {
                "sourceNodeId": source,
                "sourceNodeOutputId": str(output),
                "targetNodeInputId": str(place),
            }
        )
    attributes = [{"key": key, "value": show_controls(text)} for key, text in facts.items() if text]
    return {
        "id": node_id,
        "label": label,
        "namespace": group,
        "attrs": attributes,
        "incomingEdges": edges,
    }


def _find_group(call: Call) -> str:
    """Return the user's module as Model Explorer nests nodes: its path, with strokes."""
    return show_controls(call.origin.path).replace("/", "_").replace(".", "/")


def _describe(call: Call) -> dict[str, str]:
    origin = call.origin
    line = f"{origin.source}    {origin.text}".strip()
    shapes = {f"weight {name}": str(list(w.shape)) for name, w in call.weights.items()}
    return {"name": call.name, "class": origin.cls, "source": line, **shapes}


def _write_results(
    conversion: Conversion,
    errors: Sequence[ValueErrors],
    measure: Callable[[ValueErrors], float],
) -> Data:
    makers: dict[int, int] = {}
    for number, call in enumerate(conversion.lowered.graph.calls):
        makers |= dict.fromkeys(call.outputs, number)
    results: dict[str, Data] = {}
    for found in errors:
        maker = makers.get(conversion.lowered.values[found.value].tensor.index)
        if maker is not None:
            worst = results.setdefault(make_node_id(maker), {"value": 0.0})
            worst["value"] = max(worst["value"], measure(found))
    return results
