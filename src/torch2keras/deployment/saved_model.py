"""A SavedModel of a Keras graph: what is served, and what LiteRT's converter reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from torch2keras.deployment.formats import PortLayout
from torch2keras.deployment.sizes import FileSizes
from torch2keras.deployment.tracing import TracedModel
from torch2keras.workarounds.tensorflow_messages import drop_retracing_warnings

SERVE = "serve"
"""The signature whose tensors are stored as the model's ports."""

SERVE_TORCH = "serve_torch_layout"
"""The signature whose tensors are stored in PyTorch's order."""


DEFAULT = "serving_default"
"""The signature that TensorFlow Serving takes unless one is named."""


class ServedFunction(NamedTuple):
    """One function of a file: its name, and the order of its tensors' dimensions."""

    key: str
    layout: PortLayout


def write_saved_model(
    traced: TracedModel, sizes: FileSizes, signatures: Sequence[ServedFunction], folder: Path
) -> None:
    """Write a SavedModel whose signatures take and give dictionaries by the ports' names.

    The function of each layout is traced once. Raises OSError where the disk is full, or a file may
    not be as large.
    """
    import tensorflow as tf

    archive = tf.__internal__.tracking.AutoTrackable()
    traces: dict[PortLayout, Any] = {}
    served, variables = {}, {}
    for key, layout in signatures:
        if layout not in traces:
            shapes = sizes.torch_shapes if layout == "torch" else sizes.keras_shapes
            specs = traced.input_specs(shapes)
            serve = traced.make_function(layout)
            function = tf.function(serve, input_signature=[specs], autograph=False)
            with drop_retracing_warnings():
                traces[layout] = function.get_concrete_function()
            for variable in traces[layout].variables:
                variables[id(variable)] = variable
        served[key] = traces[layout]
        setattr(archive, key, traces[layout])
    archive.all_variables = list(variables.values())
    try:
        tf.saved_model.save(archive, str(folder), signatures=served)
    except (tf.errors.ResourceExhaustedError, tf.errors.OutOfRangeError) as error:
        raise OSError(error.message) from error


def list_saved_ops(folder: Path) -> Mapping[str, int]:
    """Return how often each op of TensorFlow stands in a SavedModel's graph and its functions."""
    from tensorflow.python.saved_model.loader_impl import parse_saved_model

    found: dict[str, int] = {}

    def count(nodes: Any) -> None:
        for node in nodes:
            found[node.op] = found.get(node.op, 0) + 1

    for meta_graph in parse_saved_model(str(folder)).meta_graphs:
        count(meta_graph.graph_def.node)
        for function in meta_graph.graph_def.library.function:
            count(function.node_def)
    return found
