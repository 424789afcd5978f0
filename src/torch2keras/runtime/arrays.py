"""Tensors of every framework as NumPy arrays."""

from __future__ import annotations

import warnings
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


def to_torch(array: Any) -> torch.Tensor:
    """Return what `to_numpy` takes as a PyTorch tensor of its own dtype, on the CPU.

    It may share its memory with `array`, and be read-only.
    """
    if isinstance(array, torch.Tensor):
        return array.detach().cpu()
    found = array if isinstance(array, np.ndarray) else keras.ops.convert_to_numpy(array)
    found = np.asarray(found)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that it is read-only
        if found.dtype.name == "bfloat16":  # of the package ml_dtypes
            return torch.from_numpy(found.view(np.int16)).view(torch.bfloat16)
        return torch.from_numpy(found)


def as_real(array: np.ndarray) -> np.ndarray:
    """Return complex numbers as real ones, in a last dimension of real and imaginary part.

    It is `torch.view_as_real` for arrays, but gives real arrays as they are.
    """
    if not np.iscomplexobj(array):
        return array
    return np.stack([array.real, array.imag], -1)
