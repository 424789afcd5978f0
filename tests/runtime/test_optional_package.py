"""Packages that may be missing."""

from __future__ import annotations

import json
import sys

import pytest

from torch2keras.errors import InputError, SourceError
from torch2keras.runtime.optional_package import import_keras, import_package


def test_a_package_that_is_here_is_imported():
    assert import_package("json", "json", "x:y") is json


def test_a_missing_package_is_named_with_its_installation():
    with pytest.raises(SourceError, match="zoo:net needs the package t2k_zoo") as raised:
        import_package("t2k_zoo.models", "t2k_zoo", "zoo:net")
    assert dict(raised.value.rows)["next"] == "pip install t2k_zoo"


def test_what_a_package_itself_lacks_is_not_hidden(tmp_path, monkeypatch):
    (tmp_path / "t2k_broken.py").write_text("import t2k_no_such_module\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="t2k_no_such_module"):
        import_package("t2k_broken", "t2k_broken", "zoo:net")


def test_a_missing_backend_is_an_input_error(tmp_path, monkeypatch):
    (tmp_path / "keras.py").write_text("import t2k_no_such_backend\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    with pytest.raises(InputError, match="no module 't2k_no_such_backend'") as raised:
        import_keras()
    assert "KERAS_BACKEND" in dict(raised.value.rows)["next"]
