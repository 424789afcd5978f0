"""Who makes and who reads the values of a graph."""

from __future__ import annotations

from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.graph import Call, Ref

HALF = Call("ops.multiply", (Ref(0), 0.5), {}, (1,))
SUM = Call("ops.add", (Ref(1), Ref(0)), {}, (2,))


def test_maker_of_an_argument_is_found() -> None:
    uses = Uses([HALF, SUM], [2])
    assert uses.maker(SUM) is HALF
    assert uses.maker(SUM, 1) is None  # an input of the graph
    assert uses.maker(SUM, 2) is None
    assert uses.maker(HALF, 1) is None  # no value


def test_what_an_output_reads_too_is_not_alone() -> None:
    assert Uses([HALF, SUM], [2]).maker(SUM, alone=True) is HALF
    assert Uses([HALF, SUM], [2, 1]).maker(SUM, alone=True) is None
