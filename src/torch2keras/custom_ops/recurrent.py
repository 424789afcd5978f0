"""Recurrent layers stay whole: one op for each layer of an LSTM, GRU or RNN, at any length.

torch.export runs PyTorch's own recurrent ops step by step, which fixes the length. During capture
the layers are run by `torch2keras::recurrent` instead, which has a fake kernel; what lies between
them (dropout, the states of each layer, the sum of two biases) is made of ATen ops. A packed
sequence is a padded one with a mask (`packed_sequences.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload
from torch._subclasses.fake_tensor import FakeTensor
from torch.overrides import TorchFunctionMode

from torch2keras.custom_ops.attribute_exchange import exchange_attribute
from torch2keras.custom_ops.library import define_op
from torch2keras.custom_ops.packed_sequences import (
    FullPacking,
    MaskedPacking,
    PackedError,
    PaddedSequence,
    ReadLengths,
    pytorch_pack,
    pytorch_pad,
)
from torch2keras.custom_ops.packing_exchange import use_packing

STATE_COUNTS: Mapping[str, int] = {"lstm": 2, "gru": 1, "rnn_tanh": 1, "rnn_relu": 1}
"""How many states each kind of layer has; the kinds are called as PyTorch's functions."""


def compute_recurrent(
    input: Tensor,  # noqa: A002 - the schema's name
    states: Sequence[Tensor],
    kernels: Sequence[Tensor],
    recurrent_kernels: Sequence[Tensor],
    biases: Sequence[Tensor],
    mask: Tensor | None,
    kind: str,
) -> list[Tensor]:
    """Return the sequence (N, T, directions * units) and the last states (N, units).

    They are those of PyTorch's own function, with a mask those of the packed sequences, padded with
    zeros.
    """
    directions = len(kernels)
    weights: list[Tensor] = []
    for direction in range(directions):
        weights += [kernels[direction], recurrent_kernels[direction]]
        if biases:
            weights += _two_biases(biases[direction], kind)
    start = _stack_states(input, states, recurrent_kernels, kind)
    function = getattr(torch, kind)
    if mask is not None:
        sequence, last = _run_packed(function, input, mask, start, weights, has_biases=bool(biases))
    else:
        sequence, *last = function(
            input, *_layer_arguments(start, weights, has_biases=bool(biases)), batch_first=True
        )
    results = [sequence.contiguous()]  # as the fake kernel says
    for direction in range(directions):
        results += [state[direction].clone() for state in last]
    return results


def _layer_arguments(
    start: Sequence[Tensor], weights: Sequence[Tensor], *, has_biases: bool
) -> tuple[Any, ...]:
    """Return the arguments that PyTorch's function of one layer takes behind its input."""
    states = start if len(start) > 1 else start[0]
    directions = len(start[0])
    layers, dropout, training = 1, 0.0, False
    return states, weights, has_biases, layers, dropout, training, directions == 2


def _run_packed(
    function: Callable[..., Any],
    x: Tensor,
    mask: Tensor,
    start: Sequence[Tensor],
    weights: Sequence[Tensor],
    *,
    has_biases: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Return what PyTorch's function gives for the sequences as PyTorch packs them."""
    packed = pytorch_pack(x, mask.sum(1), batch_first=True, enforce_sorted=False)
    sorted_start = [state[:, packed.sorted_indices] for state in start]
    arguments = _layer_arguments(sorted_start, weights, has_biases=has_biases)
    data, *last = function(packed.data, packed.batch_sizes, *arguments)
    y = packed._replace(data=data)
    sequence, _ = pytorch_pad(y, batch_first=True, total_length=x.shape[1])
    return sequence, [state[:, packed.unsorted_indices] for state in last]


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
    mask: Tensor | None,  # noqa: ARG001
    kind: str,
) -> list[Tensor]:
    """Return tensors of the results' shapes, at any length."""
    n, t, _ = input.shape
    units, directions = recurrent_kernels[0].shape[1], len(kernels)
    last = [input.new_empty(n, units) for _ in range(directions * STATE_COUNTS[kind])]
    return [input.new_empty(n, t, directions * units), *last]


define_op(
    "recurrent(Tensor input, Tensor[] states, Tensor[] kernels, Tensor[] recurrent_kernels, "
    "Tensor[] biases, Tensor? mask, str kind) -> Tensor[]",
    compute_recurrent,
    fake_recurrent,
)


recurrent = torch.ops.torch2keras.recurrent
"""One layer, batch first, of an input (N, T, C).

Each list has one tensor a direction: kernels (gates * units, C), recurrent kernels (gates * units,
units), biases (gates * units), the sum of PyTorch's two, or of a GRU both of them in two rows;
there may be none. `states` are those of one direction after the other, none where they are zeros.
`mask` (N, T) is true for the steps of a packed sequence, which are its first ones; the sequence is
zero at all others, and the last states are those behind the last step that there is. The results
are the sequence and the last states, in the same order."""


@dataclass(frozen=True)
class Stack:
    """The numbers of a stack of recurrent layers; `dropout` is what lies between them."""

    kind: str
    layers: int
    directions: int
    dropout: float
    training: bool


def run_stack(
    stack: Stack,
    x: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    mask: Tensor | None = None,
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
        x, *after = recurrent(x, before, kernels, recurrent_kernels, biases, mask, stack.kind)
        last += after
    kinds = [torch.stack(last[k :: len(states)]) for k in range(len(states))]
    return x, *kinds


def join_biases(kind: str, of_input: Tensor, of_state: Tensor) -> Tensor:
    """Return Keras's bias: the sum, but both rows of a GRU, which multiplies one by a gate."""
    return torch.stack([of_input, of_state]) if kind == "gru" else of_input + of_state


KINDS: tuple[tuple[Callable[..., Any], str], ...] = (
    *((getattr(torch, kind), kind) for kind in STATE_COUNTS),
    *((getattr(torch.ops.aten, kind).input, kind) for kind in STATE_COUNTS),
)
"""Each of PyTorch's recurrent functions and its kind; as pairs, since they have no hash.

A module calls the first, an exported program the ops.
"""


DATA_GETTER = Tensor.data.__get__  # type: ignore[attr-defined]
"""What `lengths.data` calls."""


def _is_unknown_row(tensor: Tensor) -> bool:
    """Whether these are integers in a row, whose values torch.export does not know."""
    if not isinstance(tensor, FakeTensor) or tensor.constant is not None:
        return False
    return tensor.dim() == 1 and tensor.dtype in (torch.int32, torch.int64)


class WholeRecurrence(TorchFunctionMode):
    """Within, PyTorch's recurrent functions run by layers of `torch2keras::recurrent`.

    Those with projections are left as they are, and refused later.
    """

    mask: Tensor | None = None
    """That of the packed sequence that a layer runs on."""

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func == Tensor.numpy and _is_unknown_row(args[0]):
            return ReadLengths(args[0], func)
        if func == DATA_GETTER and _is_unknown_row(args[0]):
            return args[0].detach()  # the same of integers, and torch.export sees it
        kind = next((kind for function, kind in KINDS if func == function), None)
        if kind is None or not _is_plain(args):
            return func(*args, **(kwargs or {}))
        x, start, params, _, layers, dropout, training, bidirectional, batch_first = args
        states = start if STATE_COUNTS[kind] > 1 else (start,)
        stack = Stack(kind, layers, 1 + bidirectional, dropout, training)
        if batch_first:
            return run_stack(stack, x, states, params, self.mask)
        sequence, *last = run_stack(stack, x.transpose(0, 1), states, params, self.mask)
        time_first = sequence.transpose(0, 1).clone(memory_format=torch.contiguous_format)
        return (time_first, *last)  # PyTorch's is contiguous too, so that `view` takes it

    def run_packed(
        self, forward: Callable[..., Any], layer: nn.RNNBase, packed: PaddedSequence, start: Any
    ) -> tuple[PaddedSequence, Any]:
        """Return what `forward` of a layer gives on packed sequences.

        Raises PackedError where these are no sequences of rows.
        """
        x = packed.padded
        if x.dim() != 3:
            raise PackedError(f"pack a tensor of the sizes (N, T, C), not one of {x.dim()} sizes")
        self.mask = packed.mask
        try:
            sequence, last = forward(layer, x if layer.batch_first else x.transpose(0, 1), start)
        finally:
            self.mask = None
        return packed.with_padded(sequence if layer.batch_first else sequence.transpose(0, 1)), last


def _is_plain(args: Sequence[Any]) -> bool:
    """Whether these are the arguments for padded sequences, and of layers without projections."""
    if len(args) != 9 or not isinstance(args[3], bool):
        return False
    _, _, params, has_biases, layers, _, _, bidirectional, _ = args
    return bool(len(params) == layers * (1 + bidirectional) * (2 + 2 * has_biases))


LAYERS: tuple[type[nn.RNNBase], ...] = (nn.LSTM, nn.GRU, nn.RNN)
"""The classes of recurrent layers, each with a forward of its own."""


def _take_packed(mode: WholeRecurrence, forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a layer's forward that takes padded sequences for packed ones."""

    def run_layer(self: nn.RNNBase, input: Any, hx: Any = None) -> Any:  # noqa: A002
        if isinstance(input, PaddedSequence):
            return mode.run_packed(forward, self, input, hx)
        return forward(self, input, hx)

    return run_layer


def _read_lengths(read: Callable[[Any], Any]) -> Callable[[FakeTensor], Any]:
    """Return a `tolist` of fake tensors that gives lengths as what can be packed by."""

    def read_fake(self: FakeTensor) -> Any:
        return ReadLengths(self, read) if _is_unknown_row(self) else read(self)

    return read_fake


@contextmanager
def _keep_whole() -> Iterator[None]:
    """Run recurrent layers as one op each, on packed sequences too."""
    mode = WholeRecurrence()
    with ExitStack() as stack:
        for layer in LAYERS:
            forward = _take_packed(mode, layer.forward)
            stack.enter_context(exchange_attribute(layer, "forward", forward))
        tolist = _read_lengths(FakeTensor.tolist)
        stack.enter_context(exchange_attribute(FakeTensor, "tolist", tolist))
        stack.enter_context(use_packing(MaskedPacking()))
        stack.enter_context(mode)
        yield


def has_recurrence(module: nn.Module) -> bool:
    """Whether a module has recurrent layers of PyTorch's, or is a program that calls their ops."""
    return any(isinstance(part, nn.RNNBase) or _calls_kinds(part) for part in module.modules())


def _calls_kinds(part: nn.Module) -> bool:
    if not isinstance(part, fx.GraphModule):
        return False
    ops = {function for function, _ in KINDS if isinstance(function, OpOverload)}
    return any(node.op == "call_function" and node.target in ops for node in part.graph.nodes)


def keep_recurrence_whole(module: nn.Module) -> AbstractContextManager[Any]:
    """Return what keeps a module's recurrence whole; nothing for a module that has none."""
    return _keep_whole() if has_recurrence(module) else nullcontext()


def pad_packed_in_full(module: nn.Module) -> AbstractContextManager[Any]:
    """Return what lets a module pad packed sequences to the length that was packed.

    So its converted model does; nothing for a module without recurrence.
    """
    return use_packing(FullPacking()) if has_recurrence(module) else nullcontext()
