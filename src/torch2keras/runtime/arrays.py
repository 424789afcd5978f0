"""Tensors of every framework as NumPy arrays."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch


def to_numpy(array: Any) -> np.ndarray:
    """Return an array, PyTorch tensor, Keras variable or tensor of its backend as a NumPy array.

    bfloat16, which NumPy lacks, becomes float32, which holds it exactly; every other dtype stays.
    The result may share its memory with `array`.
    """
    if isinstance(array, torch.Tensor):
        tensor = array.detach().cpu().resolve_conj().resolve_neg()
        if tensor.dtype is torch.bfloat16:
            tensor = tensor.float()
        return np.asarray(tensor.numpy())
    if isinstance(array, np.ndarray):
        found = array
    else:
        found = np.asarray(keras.ops.convert_to_numpy(array))
    if found.dtype.name == "bfloat16":  # of the package ml_dtypes
        found = found.astype("float32")
    return found


def as_real(array: np.ndarray) -> np.ndarray:
    """Return complex numbers as real ones, in a last dimension of real and imaginary part.

    It is `torch.view_as_real` for arrays, but gives real arrays as they are.
    """
    if not np.iscomplexobj(array):
        return array
    return np.stack([array.real, array.imag], -1)
