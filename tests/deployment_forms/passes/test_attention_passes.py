"""Masked attention is one call, and its three products are one, with PyTorch's numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import torch2keras
from deployed import deploy
from torch2keras.deployment_forms.deployment_graph import lower_for_deployment
from torch2keras.deployment_forms.passes.attention_passes import JOINED_DENSE, MASKED_ATTENTION

LENGTH, HEADS, SIZE = 9, 3, 5
UNITS = HEADS * SIZE

Change = Callable[[Tensor], Tensor]


def keep(x: Tensor) -> Tensor:
    return x


class Attention(nn.Module):
    """Attention of a layer each for queries, keys and values, where a mask of the lengths holds."""

    def __init__(
        self,
        *,
        biases: tuple[bool, bool, bool] = (True, True, True),
        change: Change = keep,
        read: str = "",
    ) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(UNITS, UNITS, bias=bias) for bias in biases)
        self.change, self.read = change, read

    def heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (HEADS, SIZE)).transpose(1, 2)

    def mask(self, lengths: Tensor) -> Tensor | None:
        return (torch.arange(LENGTH) < lengths[:, None])[:, None, None]

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        q, k, v = self.q(x), self.change(self.k(x)), self.v(x + 1 if self.read == "other" else x)
        parts = map(self.heads, (q, k, v))
        y = functional.scaled_dot_product_attention(*parts, attn_mask=self.mask(lengths))
        y = y.transpose(1, 2).flatten(2)
        return y + v if self.read == "twice" else y


class Unmasked(Attention):
    def mask(self, lengths: Tensor) -> Tensor | None:
        return None

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x, x)


def draw(lengths: tuple[int, int] = (5, 7)) -> tuple[Tensor, Tensor]:
    """Return sequences, and how many steps of each count."""
    torch.manual_seed(0)
    return torch.randn(2, LENGTH, UNITS), torch.tensor(lengths)


def count_calls(module: nn.Module, *example: Tensor) -> Counter[str]:
    """Return how often each target stands in the deployment graph of a module."""
    converted = torch2keras.convert(module, example, verify=False)
    graph = lower_for_deployment(converted.conversion).graph
    return Counter(call.target for call in graph.calls)


@pytest.mark.parametrize("biases", [(True, True, True), (True, False, True), (False,) * 3])
def test_three_layers_are_one_product(biases: tuple[bool, bool, bool]) -> None:
    found = deploy(Attention(biases=biases), *draw()).operators
    assert (found["FULLY_CONNECTED"], found["TRANSPOSE"], found["BATCH_MATMUL"]) == (1, 2, 2)
    assert "SELECT_V2" not in found


def test_attention_without_a_mask_is_one_product_too() -> None:
    found = deploy(Unmasked(), draw()[0]).operators
    assert (found["FULLY_CONNECTED"], found["TRANSPOSE"], found["MUL"]) == (1, 2, 0)


def test_what_may_attend_to_nothing_is_zero() -> None:
    deploy(Attention(), *draw((0, 4)))


@pytest.mark.parametrize("read", ["other", "twice"])
def test_layers_that_another_call_needs_stay(read: str) -> None:
    module, example = Attention(read=read), draw()
    found = count_calls(module, *example)
    assert (found[JOINED_DENSE], found[MASKED_ATTENTION]) == (0, 1)
    deploy(module, *example)


def test_what_changes_the_keys_stays() -> None:
    module, example = Attention(change=torch.tanh), draw()
    assert count_calls(module, *example)[JOINED_DENSE] == 0
    deploy(module, *example)


def test_a_factor_of_the_keys_becomes_one_of_the_weights() -> None:
    module, example = Attention(change=lambda x: x * 0.5), draw()
    found = count_calls(module, *example)
    assert (found[JOINED_DENSE], found["ops.multiply"]) == (1, 0)
    deploy(module, *example)


class Written(Attention):
    """Attention as users write it, which gives what is masked the same mean."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        q, k, v = map(self.heads, (self.q(x), self.k(x), self.v(x)))
        scores = q @ k.transpose(-1, -2)
        mask = self.mask(lengths)
        assert mask is not None
        return scores.masked_fill(~mask, -1e9).softmax(-1) @ v


def test_other_masks_stay_choices() -> None:
    module, example = Written(), draw((0, 4))
    assert count_calls(module, *example)[MASKED_ATTENTION] == 0
    deploy(module, *example)


def test_masks_of_a_quantised_file_stay_choices(tmp_path: Path) -> None:
    example = draw()
    converted = torch2keras.convert(Attention().eval(), example, verify=False)
    graph = lower_for_deployment(converted.conversion, is_quantized=True).graph
    assert not {MASKED_ATTENTION} & {call.target for call in graph.calls}
    made = converted.export(tmp_path / "net.tflite", quantize="float16")
    assert "SELECT_V2" in made.operators
    assert not any("forms" in note for note in made.notes)
