"""How a cause is said, and said once."""

from __future__ import annotations

from torch2keras.twins.causes.cause import Cause, CauseKind, drop_repeated, say_error


def test_a_cause_names_both_layers() -> None:
    cause = Cause(CauseKind.EPSILON, "b1", "bn", "epsilon=0.001", 0.25)
    assert str(cause) == "b1 | bn: epsilon=0.001 (values part by 2.5e-01 of the largest there)"
    assert cause.as_dict()["kind"] == "epsilon"
    assert Cause(CauseKind.SIZE, "", "d", "x", float("inf")).as_dict()["error"] is None
    assert say_error(float("inf")) == " (shapes differ there)"
    assert say_error(None) == ""


def test_what_is_true_of_several_layers_is_said_once() -> None:
    def make(layer: str) -> Cause:
        return Cause(CauseKind.MOMENTUM, layer, layer, "momentum=0.99")

    (cause,) = drop_repeated(map(make, ["a", "b", "a", "c", "d"]))
    assert cause.also == ("b", "c", "d")
    assert str(cause).endswith(", and so b, c and 1 more")
    assert cause.in_training
