"""Which layers are taken apart, into what, and which tensors have to be held alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from stages import graph_of
from torch2keras.errors import LoweringError
from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.detach_parameters import (
    Detached,
    detach_parameters,
    find_tied_tensors,
    is_divided,
    is_statistic,
)
from torch2keras.keras_graph.graph import LayerSpec
from torch2keras.keras_graph.weight import Weight


def weight(*shape: int, trainable: bool = True) -> Weight:
    data = torch.zeros(shape)
    return Weight.of(Constant("w", TensorType(shape, data.dtype), data, ("w",), trainable))


TRAINED, OTHER, FROZEN = weight(3, 5), weight(5), weight(5, trainable=False)
TIED = {id(TRAINED.constant.tensor)}


@pytest.mark.parametrize(
    ("weights", "tied", "divided"),
    [
        ({"kernel": TRAINED, "bias": OTHER}, set(), False),
        ({"kernel": TRAINED, "bias": FROZEN}, set(), True),
        ({"kernel": TRAINED, "bias": OTHER}, TIED, True),
        ({"kernel": TRAINED}, TIED, False),
        ({"gamma": OTHER, "beta": weight(5), "moving_mean": FROZEN}, set(), False),
        ({"gamma": OTHER, "beta": FROZEN, "moving_mean": FROZEN}, set(), True),
    ],
)
def test_a_layer_holds_no_frozen_or_tied_weight_beside_others(weights, tied, *, divided) -> None:
    assert is_divided(weights, tied) == divided


@pytest.mark.parametrize(("gamma", "divided"), [(OTHER, True), (FROZEN, False)])
def test_a_fixed_layer_holds_nothing_that_is_trained(gamma, *, divided) -> None:
    assert is_divided({"gamma": gamma, "moving_mean": FROZEN}, set(), is_fixed=True) == divided


def test_moving_averages_are_statistics() -> None:
    assert [a for a in ("moving_mean", "gamma", "moving_variance") if is_statistic(a)] == [
        "moving_mean",
        "moving_variance",
    ]


def test_the_bias_of_a_dense_layer_is_taken_out() -> None:
    layer = LayerSpec("Dense", {"units": 5, "use_bias": True})
    parts = detach_parameters(layer, {"kernel": TRAINED, "bias": FROZEN}, ())
    assert parts.layer == LayerSpec("Dense", {"units": 5, "use_bias": False})
    assert parts.kept == {"kernel": TRAINED}
    assert parts.detached == {"bias": FROZEN}


def test_gamma_and_beta_are_taken_out_of_a_normalization_together() -> None:
    layer = LayerSpec("LayerNormalization", {"axis": (1, 3), "scale": True, "center": True})
    weights = {"beta": weight(3, 5, trainable=False), "gamma": weight(3, 5)}
    parts = detach_parameters(layer, weights, ())
    assert parts.layer.config == {"axis": (1, 3), "scale": False, "center": False}
    assert (parts.kept, list(parts.detached)) == ({}, ["gamma", "beta"])
    assert parts.for_result("gamma", 4).shape == (1, 3, 1, 5)


@pytest.mark.parametrize(
    ("config", "attribute", "shape", "rank", "broadcast"),
    [
        ({}, "bias", (5,), 3, (1, 1, 5)),
        ({"axis": 1}, "bias", (3, 5), 4, (1, 1, 3, 5)),
        ({"axis": -1}, "gamma", (5,), 3, (1, 1, 5)),
        ({"axis": 1}, "beta", (5,), 3, (1, 5, 1)),
        ({"axis": [-1, 1]}, "beta", (3, 5), 4, (1, 3, 1, 5)),
    ],
)
def test_a_detached_weight_broadcasts_along_its_axes(
    config, attribute, shape, rank, broadcast
) -> None:
    parts = Detached(LayerSpec("Layer", config), {}, {attribute: weight(*shape)})
    assert parts.for_result(attribute, rank).shape == broadcast


def test_a_recurrent_layer_cannot_be_taken_apart() -> None:
    weights = {"cell.kernel": TRAINED, "cell.recurrent_kernel": FROZEN}
    with pytest.raises(LoweringError, match=r"LSTM would hold frozen and trained"):
        detach_parameters(LayerSpec("LSTM", {"units": 5}), weights, ())


class Pair(nn.Module):
    """Two linear layers, or an embedding and one, of which `shared` parameters are one."""

    def __init__(self, *shared: str, table: bool = False, frozen: bool = False) -> None:
        super().__init__()
        self.first = nn.Embedding(3, 3) if table else nn.Linear(3, 3)
        self.second = nn.Linear(3, 3)
        for name in shared:
            setattr(self.second, name, getattr(self.first, name))
        self.requires_grad_(requires_grad=not frozen)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


@pytest.mark.parametrize(
    ("pair", "tied"),
    [
        (Pair(), []),
        (Pair("weight"), ["first.weight"]),
        (Pair("bias"), ["first.bias"]),
        (Pair("weight", "bias"), []),
        (Pair("weight", table=True), ["first.weight"]),
        (Pair("weight", table=True, frozen=True), ["first.weight"]),
        (Pair("weight", frozen=True), []),
    ],
    ids=["nothing", "weight", "bias", "both", "a table", "a frozen table", "a frozen weight"],
)
def test_tensors_beside_different_ones_are_held_alone(pair: Pair, tied: list[str]) -> None:
    x = torch.randint(3, (2, 5)) if isinstance(pair.first, nn.Embedding) else torch.randn(2, 3)
    graph = graph_of(pair, x)
    found = find_tied_tensors(graph)
    constants = {v for node in graph.nodes for v in node.operands if isinstance(v, Constant)}
    assert sorted({v.paths[0] for v in constants if id(v.tensor) in found}) == tied
