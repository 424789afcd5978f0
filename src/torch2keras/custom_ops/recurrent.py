"""Recurrent layers stay whole: one op for each layer of an LSTM, GRU or RNN, at any length.

torch.export runs PyTorch's own recurrent ops step by step, which fixes the length. During capture
the layers are run by `torch2keras::recurrent` instead, which has a fake kernel; what lies between
them (dropout, the states of each layer, the sum of two biases) is made of ATen ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torch2keras.custom_ops.library import define_op

STATE_COUNTS: Mapping[str, int] = {"lstm": 2, "gru": 1, "rnn_tanh": 1, "rnn_relu": 1}
"""How many states each kind of layer has; the kinds are called as PyTorch's functions."""


def compute_recurrent(
    input: Tensor,  # noqa: A002 - the schema's name
    states: Sequence[Tensor],
    kernels: Sequence[Tensor],
    recurrent_kernels: Sequence[Tensor],
    biases: Sequence[Tensor],
    kind: str,
) -> list[Tensor]:
    """Return the sequence (N, T, directions * units) and the last states (N, units).

    They are those of PyTorch's own function.
    """
    directions = len(kernels)
    weights: list[Tensor] = []
    for direction in range(directions):
        weights += [kernels[direction], recurrent_kernels[direction]]
        if biases:
            weights += _two_biases(biases[direction], kind)
    start = _stack_states(input, states, recurrent_kernels, kind)
    layers, dropout, training, batch_first = 1, 0.0, False, True
    sequence, *last = getattr(torch, kind)(
        input,
        start if len(start) > 1 else start[0],
        weights,
        bool(biases),
        layers,
        dropout,
        training,
        directions == 2,
        batch_first,
    )
    results = [sequence.contiguous()]  # as the fake kernel says
    for direction in range(directions):
        results += [state[direction].clone() for state in last]
    return results


def _two_biases(bias: Tensor, kind: str) -> list[Tensor]:
    """Return PyTorch's two biases: the rows of a GRU's, else the sum and zeros."""
    return list(bias) if kind == "gru" else [bias, torch.zeros_like(bias)]


def _stack_states(
    x: Tensor, states: Sequence[Tensor], recurrent_kernels: Sequence[Tensor], kind: str
) -> list[Tensor]:
    """Return each kind of first state (directions, N, units): zeros where no states are given."""
    count = STATE_COUNTS[kind]
    if states:
        return [torch.stack(list(states[k::count])) for k in range(count)]
    zeros = x.new_zeros(len(recurrent_kernels), x.shape[0], recurrent_kernels[0].shape[1])
    return [zeros] * count


def fake_recurrent(
    input: Tensor,  # noqa: A002 - the schema's name
    states: Sequence[Tensor],  # noqa: ARG001
    kernels: Sequence[Tensor],
    recurrent_kernels: Sequence[Tensor],
    biases: Sequence[Tensor],  # noqa: ARG001
    kind: str,
) -> list[Tensor]:
    """Return tensors of the results' shapes, at any length."""
    n, t, _ = input.shape
    units, directions = recurrent_kernels[0].shape[1], len(kernels)
    last = [input.new_empty(n, units) for _ in range(directions * STATE_COUNTS[kind])]
    return [input.new_empty(n, t, directions * units), *last]


define_op(
    "recurrent(Tensor input, Tensor[] states, Tensor[] kernels, Tensor[] recurrent_kernels, "
    "Tensor[] biases, str kind) -> Tensor[]",
    compute_recurrent,
    fake_recurrent,
)


recurrent = torch.ops.torch2keras.recurrent
"""One layer, batch first, of an input (N, T, C).

Each list has one tensor a direction: kernels (gates * units, C), recurrent kernels (gates * units,
units), biases (gates * units), the sum of PyTorch's two, or of a GRU both of them in two rows;
there may be none. `states` are those of one direction after the other, none where they are zeros.
The results are the sequence and the last states, in the same order."""


@dataclass(frozen=True)
class Stack:
    """The numbers of a stack of recurrent layers; `dropout` is what lies between them."""

    kind: str
    layers: int
    directions: int
    dropout: float
    training: bool


def run_stack(
    stack: Stack, x: Tensor, states: Sequence[Tensor], params: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """Return the sequence, batch first, and each kind of last state.

    `states` are each kind of first state, all (layers * directions, N, units), and `params`
    PyTorch's, those of one layer and direction after the other: two kernels and, if there are any,
    two biases.
    """
    width = len(params) // (stack.layers * stack.directions)
    last: list[Tensor] = []
    for layer in range(stack.layers):
        if layer and stack.dropout:
            x = torch.dropout(x, stack.dropout, stack.training)
        before: list[Tensor] = []
        kernels, recurrent_kernels, biases = [], [], []
        for place in range(layer * stack.directions, (layer + 1) * stack.directions):
            before += [state[place] for state in states]
            kernel, recurrent_kernel, *two = params[width * place : width * (place + 1)]
            kernels.append(kernel)
            recurrent_kernels.append(recurrent_kernel)
            if two:
                biases.append(join_biases(stack.kind, *two))
        x, *after = recurrent(x, before, kernels, recurrent_kernels, biases, stack.kind)
        last += after
    kinds = [torch.stack(last[k :: len(states)]) for k in range(len(states))]
    return x, *kinds


def join_biases(kind: str, of_input: Tensor, of_state: Tensor) -> Tensor:
    """Return Keras's bias: the sum, but both rows of a GRU, which multiplies one by a gate."""
    return torch.stack([of_input, of_state]) if kind == "gru" else of_input + of_state


PACKED_ADVICE = (
    "packed sequences have no Keras form; call the layer on the padded tensor, "
    "and take the steps that you need from its result"
)


class PackedError(RuntimeError):
    """A sequence is packed."""


KINDS: tuple[tuple[Callable[..., Any], str], ...] = tuple(
    (getattr(torch, kind), kind) for kind in STATE_COUNTS
)
"""Each of PyTorch's recurrent functions and its kind; as pairs, since they have no hash."""


class WholeRecurrence(TorchFunctionMode):
    """Within, PyTorch's recurrent functions run by layers of `torch2keras::recurrent`.

    Those on packed sequences and those with projections are left as they are, and refused later.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func == torch._pack_padded_sequence:  # noqa: SLF001 - what pack_padded_sequence calls
            raise PackedError(PACKED_ADVICE)
        kind = next((kind for function, kind in KINDS if func == function), None)
        if kind is None or not _is_plain(args):
            return func(*args, **(kwargs or {}))
        x, start, params, _, layers, dropout, training, bidirectional, batch_first = args
        states = start if STATE_COUNTS[kind] > 1 else (start,)
        stack = Stack(kind, layers, 1 + bidirectional, dropout, training)
        if batch_first:
            return run_stack(stack, x, states, params)
        sequence, *last = run_stack(stack, x.transpose(0, 1), states, params)
        time_first = sequence.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        return (time_first, *last)  # PyTorch's is contiguous too, so that `view` takes it


def _is_plain(args: Sequence[Any]) -> bool:
    """Whether these are the arguments for padded sequences, and of layers without projections."""
    if len(args) != 9 or not isinstance(args[3], bool):
        return False
    _, _, params, has_biases, layers, _, _, bidirectional, _ = args
    return bool(len(params) == layers * (1 + bidirectional) * (2 + 2 * has_biases))


def keep_recurrence_whole(module: nn.Module) -> AbstractContextManager[Any]:
    """Return what keeps a module's recurrence whole; nothing for a module that has none."""
    if any(isinstance(part, nn.RNNBase) for part in module.modules()):
        return WholeRecurrence()
    return nullcontext()
