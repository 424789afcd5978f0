"""Layers with a policy, and outputs that are cast back."""

from __future__ import annotations

from torch2keras.keras_graph.graph import Call, Input, KerasGraph, Ref
from torch2keras.keras_graph.mixed_precision import mix_precision


def test_layers_have_the_policy_and_float_outputs_are_cast() -> None:
    calls = (
        Call("layers.Dense", (Ref(0),), {}, (1,), dtype="float32", name="a"),
        Call("layers.Embedding", (Ref(0),), {}, (2,), dtype="float64", name="b"),
        Call("ops.argmax", (Ref(1),), {}, (3,)),
    )
    graph = KerasGraph("net", (Input("x", (None, 3), "float32"),), calls, (1, 3, 0))
    mixed = mix_precision(graph, "mixed_bfloat16", [True, False, True])
    assert [call.dtype for call in mixed.calls] == ["mixed_bfloat16", "float64", "", ""]
    last = mixed.calls[-1]
    assert (last.target, last.args, last.outputs) == ("ops.cast", (Ref(1), "float32"), (4,))
    assert (mixed.outputs, mixed.policy) == ((4, 3, 0), "mixed_bfloat16")
