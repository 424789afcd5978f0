"""Converted: the Keras model, its ports, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import torch

from torch2keras.conversion.input_check import check_call
from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.conversion.steps import Step, keras_steps, torch_steps
from torch2keras.conversion.weights import load_state_dict, state_dict
from torch2keras.graph.ir import Value
from torch2keras.keras_graph.graph import loops
from torch2keras.keras_model.build import single
from torch2keras.keras_model.recurrent_graphs import as_graph
from torch2keras.keras_model.saving import save_model
from torch2keras.reporting.report import Report, make_report
from torch2keras.runtime.arrays import to_numpy
from torch2keras.verification.results import Verification
from torch2keras.verification.verify import verify_conversion


class Converted:
    """A converted model.

    `model` is the keras.Model; it takes and gives its tensors flat, in the order of `inputs` and `outputs`, each of
    which says its layout. Calling a Converted takes arrays in PyTorch's order and answers in the module's structure.
    """

    def __init__(
        self, model: keras.Model, layers: Mapping[str, keras.Layer], conversion: Conversion
    ) -> None:
        self.model = model
        self.layers = layers
        self.conversion = conversion
        self.verification: Verification | None = None
        self.unheld: Mapping[str, torch.Tensor] = {}
        """Of the state_dict that was loaded last: what no Keras weight holds."""

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The ports of `model.inputs`."""
        return self.conversion.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        """The ports of `model.outputs`."""
        return self.conversion.outputs

    @property
    def report(self) -> Report:
        """What became of each module and op, and how close the numbers are."""
        return make_report(self.conversion, self.model, self.verification)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the Keras model on arrays or tensors in PyTorch's order; NumPy arrays in the module's own structure.

        Raises InputError for sizes that the module was not captured for.
        """
        leaves = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if hasattr(x, "shape")]
        shapes = [(*x.shape, 2) if "complex" in str(x.dtype) else tuple(x.shape) for x in leaves]
        check_call(self.conversion.graph, self.conversion.captured, shapes)
        arrays = self.run(leaves)
        results = iter(arrays)
        flat = [next(results) if isinstance(v, Value) else v for v in self.conversion.graph.outputs]
        return torch.utils._pytree.tree_unflatten(flat, self.conversion.graph.out_spec)

    @cached_property
    def _inference(self) -> Callable[[Any], Any]:
        """The model; as one graph where it has layers that run step by step."""
        model = self.model
        if not loops(self.conversion.lowered.graph.calls):
            return lambda x: model(x, training=False)
        return as_graph(lambda x: model(x, training=False), (single(model.inputs),))

    def run(self, tensors: Sequence[Any]) -> list[Any]:
        """The model's outputs on flat inputs, both in PyTorch's order."""
        stored = [p.from_torch(x) for p, x in zip(self.inputs, tensors, strict=True)]
        result = self._inference(single(stored))
        flat = result if isinstance(result, list | tuple) else [result]
        return [p.to_torch(to_numpy(y)) for p, y in zip(self.outputs, flat, strict=True)]

    def torch_steps(self, *inputs: torch.Tensor) -> Iterator[Step]:
        """The ops that the captured module runs on these inputs, each of which can be run again alone."""
        real = [torch.view_as_real(x) if x.is_complex() else x for x in inputs]
        return torch_steps(self.conversion.graph, real)

    def keras_steps(self, *inputs: Any) -> Iterator[Step]:
        """The calls of the Keras model on inputs in PyTorch's order, each of which can be run again alone."""
        stored = [p.from_torch(x) for p, x in zip(self.inputs, inputs, strict=True)]
        tensors = [keras.ops.convert_to_tensor(array) for array in stored]
        return keras_steps(self.conversion.lowered.graph, self.layers, tensors)

    def verify(self, probes: Sequence[str] | None = None) -> Verification:
        """Compare with the module, in float64 and in its own dtype (docs/verify.md).

        Raises VerificationError, which names the first value that diverges.
        """
        self.verification = verify_conversion(self.conversion, self.run, probes)
        return self.verification

    def save(self, path: str | Path) -> Path:
        """Write the model to a `.keras` file; a file that stood there is replaced only by a complete one.

        Raises OutputError where it cannot be written.
        """
        return save_model(self.model, Path(path))

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The Keras model's weights as the module's state_dict."""
        return state_dict(self.conversion, self.layers, self.unheld)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy a state_dict of the module into the Keras model.

        Raises InputError where names or shapes do not fit.
        """
        self.unheld = load_state_dict(self.conversion, self.layers, state)
