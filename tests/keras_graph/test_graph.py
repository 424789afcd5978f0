"""What a call reads, and what a graph holds."""

from __future__ import annotations

import torch

from torch2keras.graph.ir import Constant, TensorType
from torch2keras.keras_graph.graph import (
    GETITEM,
    Call,
    Input,
    KerasGraph,
    LayerSpec,
    Literal,
    Ref,
    find_recurrent_layers,
    map_refs,
)
from torch2keras.keras_graph.weight import Weight


def weight(*shape: int) -> Weight:
    data = torch.zeros(shape)
    return Weight.of(Constant("w", TensorType(shape, data.dtype), data, ("w",), trainable=True))


SMALL, KERNEL, BIAS = weight(2), weight(3, 5), weight(5)
DENSE = Call(
    "layers.Dense",
    (Ref(0),),
    {},
    (1,),
    {"units": 5},
    {"kernel": KERNEL, "bias": BIAS},
    name="dense",
)
JOIN = Call("ops.concatenate", ([Ref(1), (Ref(0), Literal(SMALL))],), {"axis": Literal(BIAS)}, (2,))
AGAIN = Call(
    "layers.Dense", (Ref(2),), {"mask": Ref(0)}, (3,), DENSE.config, DENSE.weights, name="dense"
)
GRAPH = KerasGraph("net", (Input("x", (None, 3), "float32"),), (DENSE, JOIN, AGAIN), (3,))


def test_a_call_reads_the_refs_in_all_its_arguments() -> None:
    assert [list(call.reads()) for call in GRAPH.calls] == [[0], [1, 0], [2, 0]]


def test_leaves_are_the_arguments_without_lists_and_tuples() -> None:
    leaves = list(Call(GETITEM, (Ref(4), (slice(1, None), [7, ()])), {"key": None}, (5,)).leaves())
    assert leaves == [Ref(4), slice(1, None), 7, None]


def test_a_layer_has_a_spec_and_an_op_has_none() -> None:
    assert [call.is_layer for call in GRAPH.calls] == [True, False, True]
    assert DENSE.layer == LayerSpec("Dense", {"units": 5})


def test_the_last_reads_are_those_behind_which_a_value_is_dead() -> None:
    assert GRAPH.last_reads() == {0: 2, 1: 1, 2: 2}


def test_the_weights_of_a_shared_layer_come_once() -> None:
    assert list(GRAPH.weights()) == [(DENSE, "kernel", KERNEL), (DENSE, "bias", BIAS)]


def test_literals_are_found_in_lists_and_keywords() -> None:
    assert GRAPH.literals() == [SMALL, BIAS]


def test_map_refs_keeps_the_kind_of_lists_and_tuples() -> None:
    given = [Ref(1), (Literal(SMALL), "text"), 3]
    assert map_refs(given, lambda item: type(item).__name__) == ["Ref", ("Literal", "text"), 3]


def test_recurrent_layers_are_named_once_and_those_in_a_wrapper_too() -> None:
    calls = [
        Call(f"layers.{cls}", (Ref(0),), {}, (1,), name=name)
        for cls, name in [("LSTM", "a"), ("Dense", "b"), ("Bidirectional", "c"), ("LSTM", "a")]
    ]
    assert find_recurrent_layers(calls) == ("a", "c")
