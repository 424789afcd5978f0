"""float64 is float64 within, and Keras is left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from keras.src.backend.common.dtypes import BIT64_TO_BIT32_DTYPE

from torch2keras.workarounds.float64_promotion import double_precision

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import keras
from torch2keras.workarounds.float64_promotion import double_precision
def dtype():
    x = keras.ops.convert_to_tensor([1.0], dtype="float64")
    return keras.backend.standardize_dtype((x + keras.ops.ones((1,), dtype="float64")).dtype)
def promoted():
    return keras.backend.result_type("float64", "float64")
print(promoted(), end=" ")
with double_precision():
    print(dtype(), promoted(), end=" ")
print(promoted())
"""


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_promote_float64_down_but_within(backend: str) -> None:
    """Where the first and last type are float64, Keras has it everywhere: the workaround can go."""
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["float32", "float64", "float64", "float32"]


def test_the_table_of_keras_is_left_as_it_was_even_after_an_error() -> None:
    before = dict(BIT64_TO_BIT32_DTYPE)
    with pytest.raises(RuntimeError), double_precision():
        assert BIT64_TO_BIT32_DTYPE["float64"] == "float64"
        raise RuntimeError
    assert before == BIT64_TO_BIT32_DTYPE
