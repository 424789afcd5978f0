"""Attention by one op gives what PyTorch gives, where Keras's layer is exactly the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from torch2keras.custom_ops.multi_head_attention import (
    keep_attention_whole,
    multi_head_attention,
)

T, S, N, E = 7, 5, 2, 6
QUERY, KEY, VALUE = torch.randn(T, N, E), torch.randn(S, N, E), torch.randn(S, N, E)
OP = multi_head_attention.default


@contextmanager
def recorded_ops() -> Iterator[list[Any]]:
    found: list[Any] = []

    class Record(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found.append(func)
            return func(*args, **(kwargs or {}))

    with Record():
        yield found


def attend(
    net: nn.Module, *tensors: Tensor, **options: Any
) -> tuple[tuple[Tensor, Tensor | None], int]:
    """What the module gives with its attention kept whole, and how often the op has run."""
    with keep_attention_whole(net), recorded_ops() as ops:
        found = net(*tensors, **options)
    return found, ops.count(OP)


WHOLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "as it is": ({}, {}),
    "without biases": ({"bias": False}, {}),
    "batch first": ({"batch_first": True}, {}),
    "weights of each head": ({}, {"average_attn_weights": False}),
    "no weights": ({}, {"need_weights": False}),
    "keys and values of other widths": ({"kdim": 3, "vdim": 11}, {}),
}


@pytest.mark.parametrize("name", WHOLE)
def test_it_is_one_op_with_pytorchs_numbers(name: str) -> None:
    made, options = WHOLE[name]
    net = nn.MultiheadAttention(E, 3, **made).train()
    key, value = KEY[..., : made.get("kdim", E)], VALUE
    if "vdim" in made:
        value = torch.randn(S, N, made["vdim"])
    tensors = [QUERY, key, value]
    if "batch_first" in made:
        tensors = [tensor.transpose(0, 1) for tensor in tensors]
    with torch.no_grad():
        nn.init.normal_(net.out_proj.weight)
        if net.in_proj_bias is not None:
            nn.init.normal_(net.in_proj_bias)
        wanted = net(*tensors, **options)
        found, count = attend(net, *tensors, **options)
    assert count == 1
    torch.testing.assert_close(found, wanted)


MASK = torch.zeros(T, S, dtype=torch.bool)
DIFFERENT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mask": ({}, {"attn_mask": MASK}),
    "padding": ({}, {"key_padding_mask": torch.zeros(N, S, dtype=torch.bool)}),
    "learnt rows": ({"add_bias_kv": True}, {}),
    "row of zeros": ({"add_zero_attn": True}, {}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_what_keras_has_not_is_left_to_pytorch(name: str) -> None:
    made, options = DIFFERENT[name]
    net = nn.MultiheadAttention(E, 3, **made).train()
    with torch.no_grad():
        found, count = attend(net, QUERY, KEY, VALUE, **options)
    assert count == 0
    torch.testing.assert_close(found, net(QUERY, KEY, VALUE, **options))


def test_without_batch_and_with_computed_weights_it_is_left_to_pytorch() -> None:
    net = nn.MultiheadAttention(E, 3)
    with torch.no_grad():
        assert attend(net, QUERY[:, 0], KEY[:, 0], VALUE[:, 0])[1] == 0
        net.in_proj_weight = nn.Parameter(net.in_proj_weight)
        assert attend(net, QUERY, KEY, VALUE)[1] == 1
        weight = net.in_proj_weight
        del net.in_proj_weight
        net.in_proj_weight = weight * 2
        assert attend(net, QUERY, KEY, VALUE)[1] == 0


@pytest.mark.parametrize("biased", [False, True])
def test_the_op_has_a_fake_kernel(biased: bool) -> None:
    kernels = [torch.randn(E, width) for width in (E, 3, 11, E)]
    biases = [torch.randn(E) for _ in range(4)] if biased else [None] * 4
    args = (QUERY, KEY[..., :3], torch.randn(S, N, 11), *kernels, *biases, 3, 0.0)
    torch.library.opcheck(OP, args, test_utils=("test_schema", "test_faketensor"))


def test_a_module_without_attention_is_left_alone() -> None:
    with keep_attention_whole(nn.ReLU()) as mode:
        assert mode is None
