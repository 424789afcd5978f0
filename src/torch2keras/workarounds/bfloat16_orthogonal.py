"""TensorFlow has no QR in bfloat16, by which Keras draws orthogonal initial values.

A recurrent layer of that type, whose recurrent kernel begins orthogonal by default, can be neither
built nor loaded: "Value for attr 'T' of bfloat16 is not in the list of allowed values". Its initial
values are replaced by trained ones in any case. (Keras 3.15.1, TensorFlow 2.22.)
"""

from __future__ import annotations


def choose_initializer(dtype: str) -> dict[str, str]:
    """Return what a recurrent layer of this dtype is told of its recurrent kernel's beginning."""
    if dtype == "bfloat16":
        return {"recurrent_initializer": "glorot_uniform"}
    return {}
