"""Calls that nothing reads are dropped, and the values that are left are numbered without a gap."""

from __future__ import annotations

from torch2keras.keras_graph.compact import compact_calls
from torch2keras.keras_graph.graph import Call, Ref


def op(name: str, reads: list[int], *outputs: int) -> Call:
    return Call(f"ops.{name}", tuple(map(Ref, reads)), {}, outputs)


def test_what_the_outputs_need_stays_in_its_order() -> None:
    calls = [
        op("relu", [0], 2),
        op("tanh", [1], 3),  # nothing reads it
        op("split", [2], 4, 5),
        op("exp", [3], 6),  # only read by what nothing reads
        Call("ops.add", (Ref(5),), {"y": [Ref(2)]}, (7,)),
    ]
    compact = compact_calls(calls, 2, [7, 0])
    assert compact.calls == (
        op("relu", [0], 2),
        op("split", [2], 3, 4),
        Call("ops.add", (Ref(4),), {"y": [Ref(2)]}, (5,)),
    )
    assert compact.outputs == (5, 0)
    assert compact.numbers == {0: 0, 1: 1, 2: 2, 4: 3, 5: 4, 7: 5}


def test_numbers_follow_the_order_of_the_calls() -> None:
    compact = compact_calls([op("relu", [0], 9), op("exp", [9], 4)], 1, [4, 9])
    assert [call.outputs for call in compact.calls] == [(1,), (2,)]
    assert compact.outputs == (2, 1)


def test_inputs_stay_even_where_nothing_reads_them() -> None:
    assert compact_calls([], 3, [1]).numbers == {0: 0, 1: 1, 2: 2}
