"""Passes over torch.fx graphs: each takes a GraphModule and gives a new one, and never changes what it was given."""

from __future__ import annotations

from torch2keras.passes.decompose import decompose
from torch2keras.passes.drop_copies import drop_copies
from torch2keras.passes.functionalize import functionalize
from torch2keras.passes.inline import inline, writes_without_grad
from torch2keras.passes.source_lines import SourceLine, module_path, origin_rows, user_line

__all__ = [
    "SourceLine",
    "decompose",
    "drop_copies",
    "functionalize",
    "inline",
    "module_path",
    "origin_rows",
    "user_line",
    "writes_without_grad",
]
