"""Steps between layers that are others."""

from __future__ import annotations

import numpy as np
import pytest

from torch2keras.twins.causes.cause import CauseKind
from torch2keras.twins.causes.functions import NamedFunction
from torch2keras.twins.causes.glue import Fact, Glue
from torch2keras.twins.causes.glue_causes import explain_dropouts, explain_glue
from torch2keras.twins.walk import Divergence, MeetingPoint, Where

VALUES = np.arange(24.0).reshape(2, 3, 4)
OTHER = VALUES + np.random.default_rng(0).normal(size=VALUES.shape)


def function(name: str, parameter: float | None = None) -> Fact:
    return Fact("function", {"function": NamedFunction(name, parameter)}, name)


def explain(ours, theirs, mine=VALUES, other=OTHER) -> list:
    divergence = Divergence(MeetingPoint(0, 0, Where.ENTERS), 0.5, mine, other)
    names = ("next", "twin_next")
    return list(explain_glue(Glue("conv", ours), Glue("c", theirs), names, divergence))


@pytest.mark.parametrize(
    ("ours", "theirs", "kind", "torch_name", "keras_name"),
    [
        ([function("relu")], [], CauseKind.ACTIVATION, "relu", "c"),
        ([], [function("relu")], CauseKind.ACTIVATION, "conv", "relu"),
        ([function("gelu")], [function("gelu_tanh")], CauseKind.TANH_GELU, "gelu", "gelu_tanh"),
        (
            [function("leaky_relu", 0.1)],
            [function("leaky_relu", 0.3)],
            CauseKind.SLOPE,
            "leaky_relu",
            "leaky_relu",
        ),
        (
            [Fact("softmax", {"axis": 1}, "s")],
            [Fact("softmax", {"axis": 2}, "t")],
            CauseKind.AXIS,
            "s",
            "t",
        ),
        ([Fact("einsum", {}, "e")], [], CauseKind.STEP, "e", "c"),
        ([], [], CauseKind.UNKNOWN, "next", "twin_next"),
    ],
)
def test_the_step_is_named(ours, theirs, kind, torch_name, keras_name) -> None:
    (cause,) = explain(ours, theirs)
    assert (cause.kind, cause.torch, cause.keras) == (kind, torch_name, keras_name)


def test_what_can_be_written_otherwise_is_no_cause_beside_another() -> None:
    ours = [Fact("einsum", {}, "e"), function("relu")]
    theirs = [Fact("matmul", {}, "m"), function("tanh")]
    (cause,) = explain(ours, theirs)
    assert cause.text == "tanh where the module has relu"


def test_values_in_another_order_are_told() -> None:
    (cause,) = explain([], [], VALUES, VALUES.transpose(0, 2, 1))
    assert cause.kind is CauseKind.DIMENSION_ORDER
    (cause,) = explain([], [], VALUES, VALUES[:, ::-1])
    assert cause.kind is CauseKind.FLATTEN_ORDER


def test_dropouts_are_compared_by_their_rates() -> None:
    def dropouts(*rates: float) -> list[Fact]:
        return [Fact("dropout", {"rate": rate}, f"d{rate}") for rate in rates]

    names = ("next", "twin_next")
    assert list(explain_dropouts(dropouts(0.1), dropouts(0.1), names)) == []
    (cause,) = explain_dropouts(dropouts(0.1), dropouts(0.2), names)
    assert (cause.torch, cause.keras) == ("d0.1", "d0.2")
    (cause,) = explain_dropouts(dropouts(0.1), dropouts(), names)
    assert cause.text == "dropouts of rates [] where the module has [0.1]"
