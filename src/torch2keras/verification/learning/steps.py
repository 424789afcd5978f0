"""Both sides moved on the same batches: PyTorch's by its optimizer, Keras's by its counterpart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from torch2keras.conversion.record import Conversion
from torch2keras.conversion.weights import find_holders
from torch2keras.keras_graph.detach_parameters import is_statistic
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.module_state import note_modules
from torch2keras.runtime.native_attributes import submodules
from torch2keras.training.optimizer_table import find_formula
from torch2keras.training.parameter_groups import Mapped, map_groups
from torch2keras.verification.float64_keras import store_inputs
from torch2keras.verification.gradients import (
    BackwardRun,
    Cotangents,
    prepare_backward,
    run_plainly,
    store_cotangent,
)
from torch2keras.verification.input_sets import example_tensors, replace_tensors
from torch2keras.verification.probes import probes
from torch2keras.workarounds.float64_promotion import double_precision

STEPS = 20

NUDGE = 2.0**-50
"""How far parameters are moved, as a share of each, to see what rounding alone does."""


@dataclass(frozen=True)
class Batches:
    """The inputs of each step, flat and in PyTorch's order, and the targets of the outputs.

    The loss of a step is the sum of each float output's mean square distance from its target.
    """

    inputs: tuple[tuple[torch.Tensor, ...], ...]
    targets: tuple[Cotangents, ...]

    def first(self, count: int) -> Batches:
        """Return the batches of the first steps."""
        return Batches(self.inputs[:count], self.targets[:count])


def draw_batches(conversion: Conversion, steps: int = STEPS) -> Batches:
    """Return normal inputs and targets of the example's shapes."""
    example = example_tensors(conversion)
    inputs = []
    for step in range(steps):
        (probe,) = probes(example, seed=step, names=["normal"])
        inputs.append(probe.tensors)
    return Batches(tuple(inputs), tuple(Cotangents(1000 * step) for step in range(steps)))


@dataclass(frozen=True)
class Trained:
    """A Keras weight behind the steps."""

    names: tuple[str, ...]
    """The parameters or buffers in it, by PyTorch's names."""
    weight: Weight
    values: np.ndarray
    is_sum: bool
    is_parameter: bool


def train_torch(
    conversion: Conversion,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    wide: bool = True,
    nudge: int = 0,
) -> dict[str, torch.Tensor]:
    """Return the module's parameters and buffers behind the steps, by all their names.

    The module itself and the optimizer stay as they are. With `nudge`, the number of a draw,
    parameters begin a few units in the last place beside their values.
    Raises what the module raises.
    """
    module = conversion.module
    generator = torch.Generator().manual_seed(nudge)
    with prepare_backward(conversion, training=True, wide=wide) as widen:
        state: dict[str, torch.Tensor] = {}
        leaves: dict[int, torch.Tensor] = {}
        for name, parameter in module.named_parameters():
            own = widen(parameter.detach()).clone()
            if nudge:
                own *= 1 + NUDGE * torch.randn(own.shape, generator=generator)
            state[f"module.{name}"] = own.requires_grad_(parameter.requires_grad)
            leaves[id(parameter)] = own
        for name, buffer in module.named_buffers():
            state[f"module.{name}"] = widen(buffer).clone()
        named = dict(module.named_parameters(remove_duplicate=False))
        for name, parameter in conversion.own_parameters().items():
            leaves[id(parameter)] = leaves[id(named[name])]
        twin = transplant(optimizer, leaves)
        held = note_modules(submodules(module))  # a table of weights that a step keeps is its own
        for tensors, targets in zip(batches.inputs, batches.targets, strict=True):
            twin.zero_grad()
            args, kwargs = replace_tensors(conversion, [widen(tensor) for tensor in tensors])
            run = BackwardRun(conversion, partial(_measure_distance, targets))
            torch.func.functional_call(run, state, args, kwargs)
            with run_plainly():
                twin.step()
            for note in held:
                note.restore()
    trained = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        trained[name] = leaves[id(parameter)].detach()
    for name, _ in module.named_buffers():
        trained[name] = state[f"module.{name}"]
    return trained


def transplant(
    optimizer: torch.optim.Optimizer, leaves: Mapping[int, torch.Tensor]
) -> torch.optim.Optimizer:
    """Return an optimizer of the same options for other tensors, by the ids of the parameters."""
    groups = []
    for group in optimizer.param_groups:
        own = [leaves[id(parameter)] for parameter in group["params"]]
        options = {key: value for key, value in group.items() if key != "param_names"}
        groups.append({**options, "params": own})
    return type(optimizer)(groups, lr=groups[0]["lr"])  # type: ignore[call-arg]


def _measure_distance(targets: Cotangents, number: int, output: torch.Tensor) -> torch.Tensor:
    """Return the mean square of an output's distance from its target."""
    target = torch.from_numpy(targets.draw(number, output.shape)).to(output.dtype)
    return (output - target).square().mean()


def train_keras(
    conversion: Conversion,
    batches: Batches,
    optimizer: torch.optim.Optimizer,
    *,
    wide: bool = True,
) -> list[Trained]:
    """Return the weights of the Keras graph behind the steps, those that training moves.

    Raises InputError where the optimizer has no counterpart.
    """
    import tensorflow as tf

    graph = conversion.lowered.graph
    dtype = "float64" if wide else None
    layers = Layers(graph, dtype)
    formula = find_formula(optimizer)
    with double_precision():

        def run(tensors: Sequence[torch.Tensor]) -> Mapping[int, Any]:
            inputs = store_inputs(conversion, tensors, wide=wide)
            return run_graph(graph, inputs, layers.layer_with_weights, dtype, keep=False)

        run(batches.inputs[0])  # makes the layers
        layers.training = True
        mapped = map_groups(optimizer, formula, conversion, layers.made)
        first = optimizer.param_groups[0]
        ours = formula.ours(float(first["lr"]), formula.read_options(first))
        ours.bind((item.variable, item.setting) for item in mapped)
        variables = [item.variable for item in mapped]
        for tensors, targets in zip(batches.inputs, batches.targets, strict=True):
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                for variable in variables:
                    tape.watch(variable.value)
                loss = _measure_loss(conversion, run(tensors), targets)
            gradients = tape.gradient(loss, [variable.value for variable in variables])
            ours.apply(gradients, variables)
    return list(_read_weights(conversion, layers, mapped))


def _measure_loss(conversion: Conversion, values: Mapping[int, Any], targets: Cotangents) -> Any:
    import tensorflow as tf

    losses: list[Any] = []
    for number, port in enumerate(conversion.outputs):
        output = values[conversion.lowered.graph.outputs[number]]
        if output.dtype.is_floating:
            target = tf.cast(store_cotangent(port, output.shape, number, targets), output.dtype)
            loss = tf.reduce_mean(tf.square(output - target))
            losses.append(tf.cast(loss, losses[0].dtype) if losses else loss)
    return tf.add_n(losses)


def _read_weights(
    conversion: Conversion, layers: Layers, mapped: Sequence[Mapped]
) -> Iterator[Trained]:
    """Yield the parameters, and the statistics of layers that are trained."""
    for item in mapped:
        is_plain = item.weight.constant.recipe is None
        names = item.paths[:1] if is_plain else item.paths
        is_sum, values = item.setting.copies > 1, to_numpy(item.variable.value)
        yield Trained(names, item.weight, values, is_sum, is_parameter=True)
    trained = {c.name for c in conversion.lowered.graph.calls if c.is_layer and c.trainable}
    for holder in find_holders(conversion.weight_map, layers.made):
        layer, _, attribute = holder.name.partition(".")
        names = holder.weight.constant.paths[:1]
        if is_statistic(attribute) and layer in trained and names:
            yield Trained(names, holder.weight, holder.values(), is_sum=False, is_parameter=False)
