"""Transposes that are left for small nets, and where a public port is fixed."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn
from torch.export import Dim

from op_case import Case, Function, check, function, module, transposes
from stages import axes_of, graph_of, plan_of
from torch2keras.declarations.registry import registry
from torch2keras.errors import InputError
from torch2keras.layout.assign import LayoutPlan, find_transposes
from torch2keras.layout.candidates import Candidates

A = Dim.AUTO
NL: dict[str, Any] = {"dynamic_shapes": ({0: A, 2: A},)}


def shuffle(x: torch.Tensor, groups: int) -> torch.Tensor:
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


class UNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = (
            nn.Conv1d(2, 7, 3, padding=1),
            nn.Conv1d(7, 11, 4, stride=2, padding=1),
        )
        self.up, self.out = nn.ConvTranspose1d(11, 5, 4, stride=2, padding=1), nn.Conv1d(12, 3, 1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        return self.out(torch.cat([self.up(F.relu(self.deep(skip))), skip], 1))


class TCN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Conv1d(5 if i else 3, 5, 3, dilation=2**i) for i in range(3))
        self.skip = nn.Conv1d(3, 5, 1)

    def forward(self, x):
        for i, conv in enumerate(self.blocks):
            x = F.relu(conv(F.pad(x, (2 * 2**i, 0)))) + (x if i else self.skip(x))
        return x


class TwoReaders(nn.Module):
    """One value, read once with channels last and twice with length last."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.a, self.b = nn.Conv1d(3, 5, 3), nn.Conv1d(7, 11, 1), nn.Conv1d(7, 13, 1)

    def forward(self, x):
        y = self.conv(x)
        return self.a(y.transpose(1, 2)), self.b(y.transpose(1, 2)), self.conv(y.flip(1)[:, :3])


class Mixer(nn.Module):
    """A perceptron over the tokens between layers that want the channels last."""

    def __init__(
        self, tokens: int, channels: int, *, bias: bool = True, frozen: bool = False
    ) -> None:
        super().__init__()
        self.inside = nn.Linear(channels, channels)
        self.first, self.second = nn.Linear(tokens, 11, bias=bias), nn.Linear(11, tokens, bias=bias)
        self.norm = nn.LayerNorm(channels)
        if frozen:
            self.first.bias.requires_grad_(False)
            self.second.bias.requires_grad_(False)

    def forward(self, x):
        x = self.inside(x).relu()
        return self.norm(x + self.second(self.first(x.transpose(1, 2)).relu()).transpose(1, 2))


class Shared(nn.Module):
    """One layer over the tokens and over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.norm = nn.Linear(7, 7), nn.LayerNorm(7)

    def forward(self, x):
        return self.norm(self.both(x.relu()) + self.both(x.relu().transpose(1, 2)).transpose(1, 2))


class Attention(nn.Module):
    """Attention by hand: heads beside the positions, a bias for each head, in windows or not."""

    def __init__(self, *, bias: bool = False, window: int = 0) -> None:
        super().__init__()
        self.qkv, self.out, self.window = nn.Linear(6, 18), nn.Linear(6, 6), window
        self.bias = nn.Linear(1, 3) if bias else None

    def forward(self, x):
        n, length, width = x.shape
        if self.window:
            x = (
                x.view(n, -1, self.window, 5, width)
                .transpose(1, 2)
                .reshape(-1, length // self.window, width)
            )
        q, k, v = self.qkv(x).view(x.shape[0], x.shape[1], 3, 3, 2).permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-2, -1)
        if self.bias is not None:
            places = torch.arange(float(x.shape[1])).view(-1, 1)
            scores = scores + self.bias((places - places.T).unsqueeze(-1)).permute(2, 0, 1)
        x = (scores.softmax(-1) @ v).transpose(1, 2).reshape(x.shape)
        if self.window:
            x = x.view(n, self.window, -1, 5, width).transpose(1, 2).reshape(n, length, width)
        return self.out(x)


def stack(*layers: Any) -> nn.Sequential:
    return nn.Sequential(*(x if isinstance(x, nn.Module) else Function(x) for x in layers))


# transposes= says how many are right; none is left out, and none is too many
CASES: dict[str, Case] = {
    "conv stack": module(
        lambda: stack(nn.Conv1d(3, 5, 3), nn.ReLU(), nn.Conv1d(5, 7, 3)), (2, 3, 19)
    ),
    "conv, permute, linear": module(
        lambda: stack(nn.Conv1d(3, 5, 3), lambda x: x.permute(0, 2, 1), nn.Linear(5, 7)), (2, 3, 19)
    ),
    "conv, flatten, linear": module(
        lambda: stack(nn.Conv1d(3, 5, 3), nn.Flatten(), nn.Linear(85, 7)), (2, 3, 19)
    ),
    "U-Net with a skip": module(UNet, (2, 2, 22), **NL),
    "TCN": module(TCN, (2, 3, 19), **NL),
    "tokens in one dimension": function(
        lambda x, w: (
            F.linear(x.transpose(1, 2).reshape(-1, 3), w)
            .unflatten(0, (-1, x.shape[2]))
            .transpose(1, 2)
        ),
        (2, 3, 11),
        lambda: torch.randn(7, 3),
        dynamic_shapes=(({0: A, 2: A}, {}),),
    ),
    "grouped convolutions in a row": module(
        lambda: stack(nn.Conv1d(6, 12, 3, groups=3), nn.Conv1d(12, 10, 3, groups=2)),
        (2, 6, 19),
        **NL,
    ),
    "channel shuffle between grouped convolutions": module(
        lambda: stack(
            nn.Conv1d(6, 12, 3, groups=3), lambda x: shuffle(x, 3), nn.Conv1d(12, 9, 3, groups=3)
        ),
        (2, 6, 19),
        transposes=1,
        **NL,
    ),
    "channel shuffle before a dense convolution": module(
        lambda: stack(nn.Conv1d(6, 12, 3, groups=3), lambda x: shuffle(x, 3), nn.Conv1d(12, 5, 1)),
        (2, 6, 19),
    ),
    "dense over another axis": module(lambda: Mixer(7, 5), (2, 7, 5)),
    "dense over another axis without a bias": module(lambda: Mixer(7, 5, bias=False), (2, 7, 5)),
    "dense over another axis with a frozen bias": module(
        lambda: Mixer(7, 5, frozen=True), (2, 7, 5)
    ),
    "dense over another axis as long as the last": module(lambda: Mixer(7, 7), (2, 7, 7)),
    "dense over another axis by one number": module(lambda: Mixer(1, 5), (2, 1, 5)),
    "attention by hand": module(Attention, (2, 11, 6)),
    "attention with a bias for each head": module(
        lambda: Attention(bias=True), (2, 11, 6), transposes=1
    ),
    "attention in windows, to and fro": module(
        lambda: Attention(window=2), (2, 20, 6), transposes=2
    ),
    "attention in windows, with a bias": module(
        lambda: Attention(bias=True, window=2), (2, 20, 6), transposes=3
    ),
    "an equation that is a permutation": module(
        lambda: stack(nn.Conv1d(3, 5, 3), lambda x: torch.einsum("ncl->nlc", x), nn.Linear(5, 7)),
        (2, 3, 19),
    ),
    "softmax over the heads": function(
        lambda q, k: (q @ k.transpose(-2, -1)).softmax(1) @ k, (2, 3, 5, 7), (2, 3, 11, 7)
    ),
    "one layer over two axes": module(Shared, (2, 7, 7), transposes=2),
    "one copy for two readers": module(TwoReaders, (2, 3, 9), transposes=1),
    "factors that do not nest": module(
        lambda: stack(
            nn.Conv1d(3, 12, 3),
            lambda x: x.unflatten(1, (3, 4)).sum(2) + x.unflatten(1, (2, 6)).sum(1)[:, :3],
        ),
        (2, 3, 19),
    ),
    "a block after a kernel": module(
        lambda: stack(
            nn.Conv1d(3, 12, 3),
            lambda x: (
                x.unflatten(1, (3, 4)).relu().flatten(1, 2).unflatten(1, (2, 6)).transpose(1, 2)
            ),
        ),
        (2, 3, 19),
    ),
    "a dimension of one that is moved": function(
        lambda x: torch.cat(x.sum(2, keepdim=True).transpose(1, 2).chunk(2, 2), 1), (3, 12, 7)
    ),
    "PyTorch's order outside": module(
        lambda: nn.Conv1d(3, 5, 3), (2, 3, 19), layout="torch", transposes=2
    ),
    "PyTorch's order outside a linear": module(lambda: nn.Linear(3, 5), (2, 7, 3), layout="torch"),
    "one port fixed": module(
        lambda: nn.Conv1d(3, 5, 3), (2, 3, 19), layout={"input": "n c l"}, transposes=1
    ),
    "an unusual order": module(lambda: nn.ReLU(), (2, 3, 19), layout={"input": "n l c"}),
    "an order with the batch last": module(
        lambda: nn.ReLU(), (2, 3, 19), layout={"output": "l c n"}
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_transposes(name: str) -> None:
    case = CASES[name]
    assert transposes(check(case)) == case.transposes


# layout, orders of the input and the output
PORTS = [
    ("keras", "n l c", "n l c"),
    ("torch", "n c l", "n c l"),
    ({"input": "n c l"}, "n c l", "n l c"),
    ({"output": "l n c"}, "n l c", "l n c"),
]


@pytest.mark.parametrize(("layout", "first", "last"), PORTS)
def test_ports(layout, first, last) -> None:
    graph = graph_of(nn.Conv1d(3, 5, 3), (2, 3, 11))
    plan = plan_of(graph, layout)
    value = graph.inputs[0]
    assert "".join("ncl"[i] for i in plan.inputs[value]) == first.replace(" ", "")
    assert "".join("ncl"[i] for i in plan.outputs[0]) == last.replace(" ", "")
    assert len(list(find_transposes(graph, plan))) == (first != "n l c") + (last != "n l c")


@pytest.mark.parametrize(
    ("layout", "says"),
    [
        ("channels_last", "unknown layout 'channels_last'"),
        ({"y": "n l c"}, "names no port 'y'"),
        ({"input": "n l"}, "does not order its dimensions"),
        ({"input": "n h c"}, "does not order its dimensions"),
    ],
)
def test_layouts_that_are_refused(layout, says) -> None:
    graph = graph_of(nn.Conv1d(3, 5, 3), (2, 3, 11))
    with pytest.raises(InputError, match=says):
        plan_of(graph, layout)


def test_an_op_without_declaration_is_pinned_and_correct(monkeypatch) -> None:
    """A missing rule costs a transpose, never a wrong number."""
    cumsum = torch.ops.aten.cumsum.default
    import torch2keras.ops  # noqa: F401 - fills the registry

    bare = registry.lowerings[cumsum]
    monkeypatch.setitem(
        registry.lowerings,
        cumsum,
        type(bare)(cumsum, lambda x, dim, dtype=None: bare.convert(x, dim, dtype)),
    )
    case = module(
        lambda: stack(nn.Conv1d(3, 5, 3), lambda x: x.cumsum(1), nn.Conv1d(5, 7, 2)),
        (2, 3, 19),
        transposes=2,
    )
    assert transposes(check(case)) == 2
    monkeypatch.undo()
    assert transposes(check(case)) == 0


def plan_cost(graph, plan) -> float:
    """What a plan costs, in transposes."""
    signatures = sum(signature.cost for signature in plan.signatures.values())
    return signatures + len(list(find_transposes(graph, plan)))


# nets of few nodes, of which all plans can be tried
SMALL = {
    "a convolution between transpositions": lambda: stack(
        lambda x: x.transpose(1, 2), nn.Conv1d(5, 7, 1), lambda x: x.transpose(1, 2)
    ),
    "a convolution beside what is pinned": lambda: stack(
        nn.Conv1d(3, 5, 1), lambda x: x.roll(1) + x, nn.Softmax(1)
    ),
    "a product with its own transpose": lambda: stack(
        nn.Conv1d(3, 5, 1), lambda x: x @ x.mT, nn.Softmax(2)
    ),
}


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("layout", ["keras", "torch"])
def test_no_other_plan_costs_less(name: str, layout: str) -> None:
    graph = graph_of(SMALL[name](), (2, 3, 5))
    space = axes_of(graph)
    plan = plan_of(graph, layout)
    candidates = Candidates(graph, space)
    candidates.grow()
    orders = [candidates.orders[value] for value in (*graph.inputs, *graph.outputs)]
    if layout == "torch":
        orders = [[(0, 1, 2)]] * 2
    signatures = [candidates.signatures[node].values() for node in graph.nodes]
    costs = []
    for *picked, first, last in itertools.product(*signatures, *orders):
        chosen = dict(zip(graph.nodes, picked, strict=True))
        other = LayoutPlan(space, chosen, {graph.inputs[0]: first}, (last,))
        costs.append(plan_cost(graph, other))
    least = min(costs)
    assert plan_cost(graph, plan) == pytest.approx(least)
