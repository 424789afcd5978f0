"""Recurrent layers stay whole: one op for each layer of an `nn.LSTM`, `nn.GRU` or `nn.RNN`, of any length.

torch.export runs PyTorch's own recurrent ops step by step, which fixes the length. During capture the layers are run
by `torch2keras::recurrent` instead, which has a fake kernel; what lies between them (dropout, the states of each
layer, the sum of two biases) is made of ATen ops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from torch2keras.custom_ops.library import library

STATE_COUNTS: Mapping[str, int] = {"lstm": 2, "gru": 1, "rnn_tanh": 1, "rnn_relu": 1}
"""How many states each kind of layer has; the kinds are called as PyTorch's functions."""


library.define(  # type: ignore[no-untyped-call]
    "recurrent(Tensor input, Tensor[] states, Tensor[] kernels, Tensor[] recurrent_kernels, Tensor[] biases, str kind)"
    " -> Tensor[]",
    tags=torch.Tag.pt2_compliant_tag,
)


recurrent = torch.ops.torch2keras.recurrent
"""One layer, batch first. Each list has one tensor a direction, `biases` may be empty: the sum of PyTorch's two biases,
for a GRU both of them in two rows. `states` are those of one direction after the other, none where they are zeros; the
results are the sequence and the last states, in the same order."""


def shapes(
    input: Tensor,  # noqa: A002 - the schema's name
    states: Sequence[Tensor],  # noqa: ARG001
    kernels: Sequence[Tensor],
    recurrent_kernels: Sequence[Tensor],
    biases: Sequence[Tensor],  # noqa: ARG001
    kind: str,
) -> list[Tensor]:
    """The fake kernel: results of the right shapes, at any length."""
    n, t, _ = input.shape
    units, directions = recurrent_kernels[0].shape[1], len(kernels)
    last = [input.new_empty(n, units) for _ in range(directions * STATE_COUNTS[kind])]
    return [input.new_empty(n, t, directions * units), *last]


def compute(
    input: Tensor,  # noqa: A002 - the schema's name
    states: Sequence[Tensor],
    kernels: Sequence[Tensor],
    recurrent_kernels: Sequence[Tensor],
    biases: Sequence[Tensor],
    kind: str,
) -> list[Tensor]:
    """The layer by PyTorch's own function."""
    count, directions = STATE_COUNTS[kind], len(kernels)
    zeros = input.new_zeros(directions, input.shape[0], recurrent_kernels[0].shape[1])
    start = [torch.stack(list(states[k::count])) if states else zeros for k in range(count)]
    both = [list(b) if kind == "gru" else [b, torch.zeros_like(b)] for b in biases] or [
        []
    ] * directions
    params = [
        p
        for of in zip(kernels, recurrent_kernels, both, strict=True)
        for p in (of[0], of[1], *of[2])
    ]
    run = getattr(torch, kind)
    hx, training, batch_first = start if count > 1 else start[0], False, True
    sequence, *last = run(
        input, hx, params, bool(biases), 1, 0.0, training, directions == 2, batch_first
    )
    return [sequence, *(state[i].clone() for i in range(directions) for state in last)]


library.impl("recurrent", compute, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]


torch.library.register_fake("torch2keras::recurrent", shapes, lib=library)


def stacked(
    kind: str,
    x: Tensor,
    states: Sequence[Tensor],
    params: Sequence[Tensor],
    dropout: tuple[float, bool],
    *,
    layers: int,
    directions: int,
) -> tuple[Tensor, ...]:
    """All layers, batch first: the sequence, and each kind of last state of all layers and directions."""
    width, last = len(params) // (layers * directions), list[Tensor]()
    for layer in range(layers):
        x = torch.dropout(x, *dropout) if layer and dropout[0] else x
        places = range(layer * directions, (layer + 1) * directions)
        own = [params[width * i : width * (i + 1)] for i in places]
        before = [state[i] for i in places for state in states]
        biases = [bias(kind, *p[2:]) for p in own] if width > 2 else []
        x, *after = recurrent(x, before, [p[0] for p in own], [p[1] for p in own], biases, kind)
        last += after
    return x, *(torch.stack(last[k :: len(states)]) for k in range(len(states)))


def bias(kind: str, of_input: Tensor, of_state: Tensor) -> Tensor:
    """Keras's one bias: the sum, but both in a GRU, which multiplies one of them by a gate."""
    return torch.stack([of_input, of_state]) if kind == "gru" else of_input + of_state


PACKED_ADVICE = (
    "packed sequences have no Keras form; call the layer on the padded tensor, "
    "and take the steps that you need from its result"
)


class PackedError(RuntimeError):
    """A sequence is packed."""


class Whole(TorchFunctionMode):
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
        if kind is None or not _plain(args):
            return func(*args, **(kwargs or {}))
        x, hx, params, _, layers, p, train, bidirectional, batch_first = args
        states = hx if STATE_COUNTS[kind] > 1 else (hx,)
        x = x if batch_first else x.transpose(0, 1)
        directions = 2 if bidirectional else 1
        y, *last = stacked(
            kind, x, states, params, (p, train), layers=layers, directions=directions
        )
        return (y if batch_first else y.transpose(0, 1), *last)


KINDS: tuple[tuple[Callable[..., Any], str], ...] = tuple(
    (getattr(torch, kind), kind) for kind in STATE_COUNTS
)


def _plain(args: Sequence[Any]) -> bool:
    """Whether these are the arguments for padded sequences, and of layers without projections."""
    if len(args) != 9 or not isinstance(args[3], bool):
        return False
    _, _, params, has_biases, layers, _, _, bidirectional, _ = args
    return bool(len(params) == layers * (1 + bidirectional) * (2 + 2 * has_biases))


def whole_recurrence(module: nn.Module) -> AbstractContextManager[Any]:
    """What keeps a module's recurrent layers whole; nothing for a module that has none."""
    return Whole() if any(isinstance(m, nn.RNNBase) for m in module.modules()) else nullcontext()
