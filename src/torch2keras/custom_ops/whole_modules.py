"""Modules that stay whole through capture: Keras has a layer for them, or the user a converter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from torch2keras.custom_ops.grouped_products import make_blocks_of_groups
from torch2keras.custom_ops.leaf_modules import keep_leaves_whole
from torch2keras.custom_ops.multi_head_attention import keep_attention_whole
from torch2keras.custom_ops.recurrent import keep_recurrence_whole


@contextmanager
def keep_modules_whole(module: nn.Module) -> Iterator[None]:
    """Run recurrent layers, attention and the user's leaf modules as one op each, within.

    Products of grouped rows are made of ops of known shapes.
    """
    with (
        keep_recurrence_whole(module),
        keep_attention_whole(module),
        keep_leaves_whole(module),
        make_blocks_of_groups(),
    ):
        yield
