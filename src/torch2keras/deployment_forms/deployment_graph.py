"""A conversion as one TensorFlow function of fixed sizes, in the forms that LiteRT runs best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import keras
import sympy
import tensorflow as tf
from torch.utils import _pytree as pytree

import torch2keras.deployment_forms.all_forms  # noqa: F401 - fills both tables
from torch2keras.conversion.call_arguments import order_arguments
from torch2keras.conversion.record import Conversion
from torch2keras.deployment_forms.graph_passes import rewrite_for_deployment
from torch2keras.deployment_forms.table import deployment_lowerings
from torch2keras.deployment_forms.trace import Trace
from torch2keras.errors import InputError, LoweringError
from torch2keras.graph.interpreter import measure_symbols
from torch2keras.graph.ir import Size
from torch2keras.lower.lower import Lowered, lower


class DeploymentGraph(tf.Module):  # type: ignore[misc]
    """One function, `serve`, from the model's inputs to its outputs, both by the ports' names.

    It may be saved by `tf.saved_model.save(graph, path, signatures={"serve": graph.serve})`.
    """

    def __init__(self, conversion: Conversion, batch: int) -> None:
        super().__init__()
        self._lowered = lower_for_deployment(conversion)
        self._trace = Trace(self._lowered.graph)
        self._names = [port.name for port in conversion.outputs]
        self.signature = make_signature(conversion, batch)
        """The specs of the inputs, in the order of the model's."""
        self.serve = tf.function(self._serve, input_signature=self.signature, autograph=False)
        self.concrete = self.serve.get_concrete_function()
        """The traced function."""
        self.held = self._trace.variables
        """The variables that it reads, for whoever saves it."""

    def _serve(self, *inputs: Any) -> dict[str, Any]:
        return dict(zip(self._names, self._trace.run(inputs), strict=True))


def make_deployment_graph(conversion: Conversion, batch: int = 1) -> DeploymentGraph:
    """Return the function of a conversion for this batch; other dynamic sizes are the example's.

    The weights are those of the conversion's constants: after training, give it the conversion that
    a `Substitution` makes.
    Raises LoweringError where an op cannot be run at these sizes, InputError for another backend of
    Keras than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            "a deployment graph is made by TensorFlow, and Keras runs on another backend",
            [("next", "set KERAS_BACKEND=tensorflow before Keras is imported")],
        )
    return DeploymentGraph(conversion, batch)


def lower_for_deployment(conversion: Conversion) -> Lowered:
    """Return the conversion's graph lowered once more, by the deployment's table.

    Raises LoweringError where its ports would lie otherwise than the model's.
    """
    before = conversion.lowered
    after = lower(
        conversion.graph,
        conversion.plan,
        before.graph.name,
        before.graph.float_dtype,
        lowerings=deployment_lowerings(),
    )
    ports = before.input_storages, before.output_storages
    if ports != (after.input_storages, after.output_storages):
        raise LoweringError(
            "the deployment's ports lie otherwise than the model's",
            [("next", "this is a bug of torch2keras; please report it")],
        )
    return replace(after, graph=rewrite_for_deployment(after.graph))


def make_signature(conversion: Conversion, batch: int) -> list[tf.TensorSpec]:
    """Return the specs of the model's inputs at this batch."""
    symbols = choose_sizes(conversion, batch)
    specs = []
    for port, value in zip(conversion.inputs, conversion.graph.inputs, strict=True):
        sizes = value.type.shape
        shape = [int(sympy.sympify(sizes[dim]).xreplace(symbols)) for dim in port.permutation]
        specs.append(tf.TensorSpec(shape, port.dtype, name=port.name))
    return specs


def choose_sizes(conversion: Conversion, batch: int) -> Mapping[sympy.Symbol, int]:
    """Return a number for each symbol: `batch` for that of the batch, else the example's.

    The batch is the first dimension of the first input that has it dynamic; where there is none,
    the first dynamic dimension.
    """
    call = order_arguments(conversion, conversion.args, conversion.kwargs)
    tensors = [x for x in pytree.tree_leaves(call) if hasattr(x, "shape")]
    symbols = dict(measure_symbols(conversion.graph, tensors))
    first_sizes: list[Size] = []
    all_sizes: list[Size] = []
    for value in conversion.graph.inputs:
        first_sizes += value.type.shape[:1]
        all_sizes += value.type.shape
    for size in (*first_sizes, *all_sizes):
        if isinstance(size, sympy.Symbol):
            return symbols | {size: batch}
    return symbols
