"""An attribute is another one within, and as before behind, after an error too."""

from __future__ import annotations

import pytest

from torch2keras.custom_ops.attribute_exchange import exchange_attribute


class Owner:
    """A class with a method."""

    def name(self) -> str:
        return "first"


def test_another_value_within() -> None:
    with exchange_attribute(Owner, "name", lambda _: "second"):
        assert Owner().name() == "second"
    assert Owner().name() == "first"


def test_as_before_after_an_error() -> None:
    before = Owner.name
    with pytest.raises(KeyError), exchange_attribute(Owner, "name", None):
        raise KeyError
    assert Owner.name is before


def test_what_there_is_not_is_an_error() -> None:
    with pytest.raises(AttributeError), exchange_attribute(Owner, "other", 1):
        pass
