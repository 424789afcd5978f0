"""Recurrent layers without a loop: step after step, or as LiteRT's fused operator.

LiteRT runs a loop slowly. A short sequence is written out, with the products of all inputs in one;
TensorFlow's converter makes one operator of a longer LSTM that begins at zero, where a function is
marked as one. Its state outlives the call, until `fused_lstm` mends the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from torch2keras.deployment_forms.rank4 import lower_rank
from torch2keras.deployment_forms.rules import rule, weight_tensor
from torch2keras.keras_graph.graph import Call

MOST_STEPS: Mapping[str, int] = {"LSTM": 64, "GRU": 256, "SimpleRNN": 256}
"""The longest sequence that is written out step by step."""

States = list[tf.Tensor]
"""What a cell keeps: h, and of an LSTM c."""


@dataclass(frozen=True)
class Direction:
    """The weights of a layer in one direction."""

    kind: str
    kernel: tf.Tensor
    recurrent: tf.Tensor
    bias: tf.Tensor | None
    activation: str
    backwards: bool = False

    @property
    def units(self) -> int:
        """The size of a state."""
        return int(self.recurrent.shape[0])

    def zero_states(self, batch: int) -> States:
        """Return the states before the first step, where none are given."""
        count = 2 if self.kind == "LSTM" else 1
        return [tf.zeros([batch, self.units], self.kernel.dtype)] * count


@dataclass(frozen=True)
class Run:
    """What a direction gives: h after each step, in the order of time, and the last states."""

    sequence: tf.Tensor
    last: tf.Tensor
    states: States


@rule("layers.LSTM", "layers.GRU", "layers.SimpleRNN")
def run_recurrent(call: Call, x: Any, states: Any = None, mask: Any = None) -> Any:
    """A layer in one direction."""
    if mask is not None:
        return NotImplemented
    kind = call.layer.cls
    run = run_direction(read_direction(call, kind, "cell", call.config), lower_rank(x), states)
    if run is None or (call.config["return_state"] and not run.states):
        return NotImplemented
    return choose_results(call.config, [run])


@rule("layers.Bidirectional")
def run_both(call: Call, x: Any, states: Any = None, mask: Any = None) -> Any:
    """A layer in both directions, whose results stand side by side."""
    inner = call.config["layer"]
    if mask is not None or call.config.get("merge_mode", "concat") != "concat":
        return NotImplemented
    x = lower_rank(x)
    halves: list[Any] = [None, None]
    if states is not None:
        half = len(states) // 2
        halves = [states[:half], states[half:]]
    runs = []
    for number, (cell, own) in enumerate(zip(CELLS, halves, strict=True)):
        direction = read_direction(call, inner.cls, cell, inner.config, backwards=number == 1)
        run = run_direction(direction, x, own)
        if run is None or (inner.config["return_state"] and not run.states):
            return NotImplemented
        runs.append(run)
    return choose_results(inner.config, runs)


CELLS = ("forward_layer.cell", "backward_layer.cell")
"""The attributes of a bidirectional layer that hold the weights."""


def read_direction(
    call: Call, kind: str, cell: str, config: Mapping[str, Any], *, backwards: bool = False
) -> Direction:
    """Return the weights of one direction of a layer."""
    kernel, recurrent, bias = [
        weight_tensor(call, f"{cell}.{name}") for name in ("kernel", "recurrent_kernel", "bias")
    ]
    return Direction(kind, kernel, recurrent, bias, config.get("activation", "tanh"), backwards)


def choose_results(config: Mapping[str, Any], runs: Sequence[Run]) -> Any:
    """Return what the layer was asked for: its sequence or last step, and its states."""
    if config["return_sequences"]:
        y = tf.concat([run.sequence for run in runs], -1)
    else:
        y = tf.concat([run.last for run in runs], -1)
    if not config["return_state"]:
        return y
    results = [y]
    for run in runs:
        results += run.states
    return results


def run_direction(direction: Direction, x: tf.Tensor, states: Any) -> Run | None:
    """Return what a direction gives; None where neither form fits."""
    _, steps, _ = x.shape
    if steps <= MOST_STEPS[direction.kind]:
        return write_steps(direction, x, states)
    if direction.kind == "LSTM" and states is None:
        return run_fused(direction, x)
    return None


def write_steps(direction: Direction, x: tf.Tensor, states: Any) -> Run:
    """Return all steps of a sequence of (n, t, c)."""
    batch, steps, channels = x.shape
    products = tf.matmul(tf.reshape(x, [batch * steps, channels]), direction.kernel)
    bias = direction.bias
    if bias is not None:
        products = tf.nn.bias_add(products, bias[0] if direction.kind == "GRU" else bias)
    rows = tf.unstack(tf.reshape(products, [batch, steps, products.shape[-1]]), axis=1)
    state = list(states or direction.zero_states(batch))
    step = STEPS[direction.kind]
    made = []
    for row in rows[::-1] if direction.backwards else rows:
        state = step(direction, row, state)
        made.append(state[0])
    in_time = made[::-1] if direction.backwards else made
    return Run(tf.stack(in_time, 1), made[-1], state)


def step_lstm(direction: Direction, row: tf.Tensor, states: States) -> States:
    """Return h and c after a step; the gates are those of input, forgetting, cell and output."""
    h, c = states
    gates = tf.split(row + tf.matmul(h, direction.recurrent), 4, axis=1)
    entered, kept, shown = map(tf.sigmoid, (gates[0], gates[1], gates[3]))
    c = kept * c + entered * tf.tanh(gates[2])
    return [shown * tf.tanh(c), c]


def step_gru(direction: Direction, row: tf.Tensor, states: States) -> States:
    """Return h after a step; the gates are those of update, reset and the candidate."""
    (h,) = states
    inner = tf.matmul(h, direction.recurrent)
    if direction.bias is not None:
        inner = tf.nn.bias_add(inner, direction.bias[1])
    units = direction.units
    update, reset = tf.split(tf.sigmoid(row[:, : 2 * units] + inner[:, : 2 * units]), 2, axis=1)
    candidate = tf.tanh(row[:, 2 * units :] + reset * inner[:, 2 * units :])
    return [candidate + update * (h - candidate)]


def step_plain(direction: Direction, row: tf.Tensor, states: States) -> States:
    """Return h after a step."""
    activate = {"tanh": tf.tanh, "relu": tf.nn.relu}[direction.activation]
    return [activate(row + tf.matmul(states[0], direction.recurrent))]


STEPS: Mapping[str, Callable[[Direction, tf.Tensor, States], States]] = {
    "LSTM": step_lstm,
    "GRU": step_gru,
    "SimpleRNN": step_plain,
}
"""One step of a layer: the product of its input and the states before it give those behind it."""


def run_fused(direction: Direction, x: tf.Tensor) -> Run:
    """Return an LSTM as a function that TensorFlow's converter knows: no states come of it."""
    function = mark_lstm(direction)
    zero = tf.zeros([x.shape[0], direction.units], x.dtype)
    bias = direction.bias
    if bias is None:
        bias = tf.zeros([4 * direction.units], x.dtype)
    given = tf.reverse(x, [1]) if direction.backwards else x
    _, sequence, *_ = function(given, zero, zero, direction.kernel, direction.recurrent, bias)
    sequence = tf.ensure_shape(sequence, [*x.shape[:2], direction.units])
    last = sequence[:, -1]
    if direction.backwards:
        sequence = tf.reverse(sequence, [1])
    return Run(sequence, last, [])


def mark_lstm(direction: Direction) -> Callable[..., Any]:
    """Return a function of an LSTM over (n, t, c), with the mark and results of Keras 2's.

    (tensorflow/compiler/mlir/lite/utils/lstm_utils.cc reads the mark and the arguments' places.)
    """
    mark = {
        "api_implements": f"lstm_{id(direction)}",
        "api_preferred_device": "CPU",
        "time_major": False,
        "go_backwards": False,
    }

    @tf.function(experimental_attributes=mark, autograph=False)  # type: ignore[untyped-decorator]
    def run_lstm(x: Any, h: Any, c: Any, kernel: Any, recurrent: Any, bias: Any) -> Any:
        own = replace(direction, kernel=kernel, recurrent=recurrent, bias=bias)

        def step(states: Any, row: Any) -> Any:
            product = tf.nn.bias_add(tf.matmul(row, kernel), bias)
            return tuple(step_lstm(own, product, list(states)))

        hs, cs = tf.scan(step, tf.transpose(x, [1, 0, 2]), initializer=(h, c))
        return hs[-1], tf.transpose(hs, [1, 0, 2]), hs[-1], cs[-1], tf.constant(0.0)

    run: Callable[..., Any] = run_lstm
    return run
