"""Tensors of every framework as NumPy arrays."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np


def to_numpy(tensor: Any) -> np.ndarray:
    """A backend tensor as NumPy; bfloat16 as float32."""
    if keras.backend.standardize_dtype(tensor.dtype) == "bfloat16":
        tensor = keras.ops.cast(tensor, "float32")
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def as_parts(array: np.ndarray) -> np.ndarray:
    """Complex numbers as real ones, with a last dimension of real and imaginary part."""
    return np.stack([array.real, array.imag], -1) if np.iscomplexobj(array) else array


def as_numpy(array: Any) -> np.ndarray:
    """A NumPy array, PyTorch tensor or backend tensor as NumPy; bfloat16 as float32."""
    if hasattr(array, "detach"):
        array = array.detach().cpu()
        array = array.resolve_conj().resolve_neg() if hasattr(array, "resolve_conj") else array
    if "bfloat16" in str(array.dtype):
        array = (
            array.float()
            if hasattr(array, "float")
            else array.astype("float32")
            if hasattr(array, "astype")
            else array
        )
    return np.asarray(array)
