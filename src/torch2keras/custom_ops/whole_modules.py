"""Modules that stay whole through capture, because Keras has a layer for them or the user has a converter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from torch2keras.custom_ops.leaf_modules import whole_leaves
from torch2keras.custom_ops.multi_head_attention import whole_attention
from torch2keras.custom_ops.recurrent import whole_recurrence


@contextmanager
def whole_modules(module: nn.Module) -> Iterator[None]:
    """Within, recurrent layers, multi-head attention and the user's leaf modules run as one op each."""
    with whole_recurrence(module), whole_attention(module), whole_leaves(module):
        yield
