"""Packages that are not there, and the extra that brings each."""

from __future__ import annotations

import sys

import pytest

import torch2keras as t2k
from command import Hidden
from torch2keras.deployment.packages import EXTRAS, require_package, require_tensorflow


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_package_is_named_with_its_extra(name, monkeypatch):
    for module in [m for m in sys.modules if m.partition(".")[0] == name]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Hidden(name), *sys.meta_path])
    with pytest.raises(t2k.InputError, match=f"needs the package {name}") as caught:
        require_package(f"{name}.part", "a file")
    assert caught.value.rows == (("next", f"pip install 'torch2keras[{EXTRAS[name]}]'"),)


def test_a_package_that_is_there_is_given():
    assert require_package("json", "a file").dumps([]) == "[]"


def test_a_fault_within_a_package_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "onnx_broken.py").write_text("import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nowhere_at_all"):
        require_package("onnx_broken", "a file")


def test_keras_on_another_backend_is_refused(monkeypatch):
    import keras

    require_tensorflow("a file")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(t2k.InputError, match="Keras runs on jax"):
        require_tensorflow("a file")
