"""Triton comes before TensorFlow or not at all."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType

import pytest

from torch2keras.workarounds.triton_import import load_exporter, settle_triton

TRITON, TENSORFLOW = ModuleType("triton"), ModuleType("tensorflow")


@pytest.fixture
def imported(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that are imported, of modules that are all there; none is loaded yet."""
    names: list[str] = []
    monkeypatch.delitem(sys.modules, "triton", raising=False)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(importlib, "import_module", names.append)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    return names


def test_triton_is_imported_where_tensorflow_is_not_loaded(imported: list[str]) -> None:
    settle_triton()
    assert imported == ["triton"]


def test_triton_stays_out_where_tensorflow_is_loaded(imported, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", TENSORFLOW)
    settle_triton()
    assert not imported
    with pytest.raises(ImportError):
        import triton  # noqa: F401 - that it cannot be imported is the point


def test_triton_that_is_loaded_stays(imported, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", TRITON)
    monkeypatch.setitem(sys.modules, "tensorflow", TENSORFLOW)
    settle_triton()
    assert not imported
    assert sys.modules["triton"] is TRITON


def test_the_exporter_comes_behind_triton(imported: list[str]) -> None:
    load_exporter()
    assert imported == ["triton", "torch._dynamo"]
