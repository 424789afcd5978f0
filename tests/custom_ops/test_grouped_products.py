"""Grouped products are blocks of equal size, exactly; a mixture of experts converts with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

import torch2keras as t2k
from tiny_transformers import decoder
from torch2keras.custom_ops.grouped_products import (
    FALLBACK,
    OpStandIn,
    make_blocks_of_groups,
    multiply_blocks,
    multiply_groups,
    pytorch_grouped_mm,
    split_into_blocks,
)

AUTO = torch.export.Dim.AUTO
GROUPS: dict[str, list[int]] = {
    "some of each": [3, 5, 11],
    "all in one": [0, 13, 13, 13],
    "none in the last": [2, 7, 7],
    "fewer rows than groups": [0, 1, 1, 1, 2, 2, 2, 3],
    "one row": [0, 1],
    "one group": [7],
    "one more than blocks hold": [7, 8, 12],
    "even groups": [4, 8, 12, 16],
}


def draw(ends: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of a width, a matrix for each group, and where the groups end."""
    return torch.randn(ends[-1], 5), torch.randn(len(ends), 5, 7), torch.tensor(ends)


@pytest.mark.parametrize("name", GROUPS)
def test_blocks_give_the_products_of_each_group(name: str) -> None:
    x, matrices, ends = draw(GROUPS[name])
    wanted = torch.cat(
        [part @ matrix for part, matrix in zip(x.tensor_split(ends[:-1]), matrices, strict=True)]
    )
    blocks = split_into_blocks(ends, x.shape[0])
    assert blocks.rows.shape == (2 * len(ends), -(-x.shape[0] // len(ends)) + 1)
    torch.testing.assert_close(multiply_blocks(x, matrices, blocks), wanted)
    torch.testing.assert_close(multiply_groups(x, matrices, ends), wanted)


def test_all_groups_of_seven_rows() -> None:
    x, matrices, _ = draw([7, 7, 7])
    for first in range(8):
        for second in range(first, 8):
            ends = torch.tensor([first, second, 7], dtype=torch.int32)
            wanted = multiply_groups(x, matrices, ends)
            found = multiply_blocks(x, matrices, split_into_blocks(ends, 7))
            torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_fewer_rows_than_experts_keep_the_batch_dynamic(rows: int) -> None:
    net = Experts(switch, has_bias=False).eval()
    converted = t2k.convert(net, (torch.randn(rows, 1, 8),))
    assert converted.inputs[0].torch_shape[0] is None
    other = torch.randn(11, 1, 8)
    np.testing.assert_allclose(converted(other), net(other).detach(), atol=1e-5)


def test_rows_behind_the_last_group_are_no_error() -> None:
    x, matrices, _ = draw([9, 9])
    ends = torch.tensor([2, 3])
    assert not multiply_groups(x, matrices, ends)[3:].any()
    found = multiply_blocks(x, matrices, split_into_blocks(ends, 9))
    torch.testing.assert_close(found[:3], multiply_groups(x, matrices, ends)[:3])


def test_two_products_of_the_same_groups_share_their_blocks() -> None:
    def run(x: Tensor, a: Tensor, b: Tensor, ends: Tensor) -> Tensor:
        return F.grouped_mm(F.grouped_mm(x, a, offs=ends), b, offs=ends)

    def count(function: Callable[..., Tensor], *inputs: Tensor) -> int:
        graph = torch.fx.experimental.proxy_tensor.make_fx(function)(*inputs).graph
        return sum(node.target is torch.ops.aten.cumsum.default for node in graph.nodes)

    x, first, ends = draw([3, 5, 11])
    before = torch._grouped_mm
    with make_blocks_of_groups():
        assert count(run, x, first, torch.randn(3, 7, 4), ends.int()) == 1
    assert torch._grouped_mm is before


def test_products_of_other_forms_are_pytorchs() -> None:
    x, matrices = torch.randn(3, 4, 8), torch.randn(3, 8, 16)
    with make_blocks_of_groups():
        torch.testing.assert_close(F.grouped_mm(x, matrices), x @ matrices)
    torch.testing.assert_close(multiply_groups(x, matrices), x @ matrices)


class Experts(nn.Module):
    """Routing to the best experts, sorted, as transformers does it by default."""

    def __init__(self, route: Callable[..., tuple[Tensor, Tensor]], *, has_bias: bool) -> None:
        super().__init__()
        self.route, self.has_bias, count = route, has_bias, 6
        self.router = nn.Linear(8, count)
        self.up = nn.Parameter(torch.randn(count, 8, 24) / 3)
        self.down = nn.Parameter(torch.randn(count, 8, 12) / 3)  # as (groups, results, rows' width)
        self.up_bias = nn.Parameter(torch.randn(count, 24))
        self.shared = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(0, 1)
        weights, chosen = self.route(self.router(rows))
        top = chosen.shape[-1]
        groups, order = chosen.flatten().sort()
        counts = torch.histc(groups.float(), bins=len(self.up), min=0, max=len(self.up) - 1)
        ends = counts.cumsum(0, dtype=torch.int32)
        y = F.grouped_mm(rows[order // top], self.up, offs=ends)
        if self.has_bias:
            y = y + self.up_bias[groups]
        gate, value = y.chunk(2, -1)
        y = F.grouped_mm(F.silu(gate) * value, self.down.transpose(1, 2), offs=ends)
        y = (y * weights.flatten()[order].unsqueeze(1))[order.argsort()]
        return (y.unflatten(0, (-1, top)).sum(1) + self.shared(rows)).view(x.shape)


def mixtral(scores: Tensor) -> tuple[Tensor, Tensor]:
    values, chosen = scores.softmax(-1).topk(2)
    return values / values.sum(-1, keepdim=True), chosen


def gpt_oss(scores: Tensor) -> tuple[Tensor, Tensor]:
    values, chosen = scores.topk(3)
    return values.softmax(-1), chosen


def deepseek(scores: Tensor) -> tuple[Tensor, Tensor]:
    """The best experts of the best groups of experts."""
    scores = scores.sigmoid()
    groups = scores.view(-1, 3, 2).sum(-1).topk(2, sorted=False).indices
    mask = torch.zeros_like(scores[:, :3]).scatter_(1, groups, 1)
    allowed = mask.unsqueeze(-1).expand(-1, 3, 2).reshape(-1, 6)
    chosen = scores.masked_fill(~allowed.bool(), -torch.inf).topk(2, sorted=False).indices
    return scores.gather(1, chosen) * 2.5, chosen


def switch(scores: Tensor) -> tuple[Tensor, Tensor]:
    return scores.softmax(-1).topk(1)


@pytest.mark.parametrize("route", [mixtral, gpt_oss, deepseek, switch])
def test_a_mixture_of_experts_converts(
    route: Callable[..., tuple[Tensor, Tensor]], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    net = Experts(route, has_bias=route is gpt_oss).eval()
    x = torch.randn(3, 7, 8)
    converted = t2k.convert(net, (x,), dynamic_shapes=({0: AUTO, 1: AUTO},))
    assert converted.verification is not None
    assert converted.verification.ok
    assert converted.verify(level="gradients").ok
    assert not converted.report.transposes
    for shape in ((1, 1), (2, 5), (5, 13)):
        other = torch.randn(*shape, 8)
        np.testing.assert_allclose(converted(other), net(other).detach(), atol=1e-5)
    for name, value in converted.state_dict().items():
        torch.testing.assert_close(value, net.state_dict()[name], rtol=0, atol=0)
    loaded = keras.saving.load_model(converted.save(tmp_path / "net.keras"), safe_mode=True)
    arrays = converted.inputs[0].from_torch(x)
    assert np.array_equal(loaded(arrays), converted.model(arrays))
    other_net = Experts(route, has_bias=route is gpt_oss).eval()
    converted.load_state_dict(other_net.state_dict())
    np.testing.assert_allclose(converted(x), other_net(x).detach(), atol=1e-5)


def test_what_transformers_calls_under_export_is_taken_too() -> None:
    pytest.importorskip("transformers.integrations.moe")
    x, matrices, ends = draw([3, 5, 11])
    function = getattr(torch.ops.transformers, FALLBACK)
    with make_blocks_of_groups():
        found = getattr(torch.ops.transformers, FALLBACK)(x, matrices, offs=ends)
    torch.testing.assert_close(found, function(x, matrices, ends))
    assert getattr(torch.ops.transformers, FALLBACK) is function


@pytest.mark.parametrize("implementation", ["grouped_mm", "eager"])
def test_experts_of_transformers_convert(implementation: str) -> None:
    tiny = decoder("Qwen3Moe", num_experts=5, num_experts_per_tok=2, moe_intermediate_size=20)
    tiny.module.set_experts_implementation(implementation)
    converted = t2k.convert(tiny.module, tiny.inputs, dynamic_shapes=tiny.dynamic_shapes)
    assert converted.verification is not None
    assert converted.verification.ok
    assert tiny.module.config._experts_implementation == implementation


def test_what_is_kept_by_its_name_is_pytorchs_function_once_out_of_use() -> None:
    with make_blocks_of_groups():
        kept = torch._grouped_mm
    assert kept is not pytorch_grouped_mm
    assert kept.__name__ == pytorch_grouped_mm.__name__
    x, matrices = torch.randn(16, 16).bfloat16(), torch.randn(2, 16, 16).bfloat16()
    ends = torch.tensor([8, 16], dtype=torch.int32)
    assert torch.equal(kept(x, matrices, offs=ends), pytorch_grouped_mm(x, matrices, offs=ends))
    assert kept._latest is None


def test_a_stand_in_answers_as_the_operator_does() -> None:
    operator = torch.ops.aten.mm
    stand_in = OpStandIn(torch.add, operator)
    assert stand_in.overloads() == operator.overloads()
    assert stand_in.__name__ == operator.__name__
    assert torch.equal(stand_in(torch.ones(3), torch.ones(3)), torch.full((3,), 2.0))
