"""The Python that an explanation prints: the model, and the weights of the layer in it."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from torch import nn

from torch2keras.explanation.weight_copies import write_copies
from torch2keras.keras_graph.graph import KerasGraph
from torch2keras.keras_graph.nesting import Segment, nest_calls
from torch2keras.keras_graph.source.wrapping import wrap_statement

GIVEN = "# Put your own layer here: its weights are copied."
ASKED = "# `layer` is your module, {}: its weights are copied."


def write_script(source: str, module: nn.Module, graph: KerasGraph, construction: str) -> str:
    """Return Python that builds the model and copies the weights of `layer`, the PyTorch module.

    `source` is the model's source code, with its `build`. `construction` makes the layer; without
    one `layer` has to be there.
    """
    imports, definitions = _split_imports(source)
    is_nested = any(isinstance(item, Segment) for item in nest_calls(graph))
    copies = write_copies(module, graph, is_nested=is_nested)
    body = ["model = build()"]
    if copies and construction:
        body += ["", GIVEN, *wrap_statement(0, f"layer = {construction}"), *copies]
    elif copies:
        body += ["", ASKED.format(name_class(module)), *copies]
    text = "\n".join(body)
    used = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    for name, line in IMPORTS.items():
        if name in used and line not in imports:
            imports.append(line)
    head = "\n".join(_sort_imports(imports))
    return f"{head}\n\n\n{definitions}\n\n\n{text}\n"


def name_class(module: nn.Module) -> str:
    """Return the class of a module as it is imported, in plain ASCII on one line."""
    cls = type(module)
    name = f"{cls.__module__}.{cls.__qualname__}".removeprefix("__main__.")
    return name.encode("unicode_escape").decode("ascii")


IMPORTS = {"np": "import numpy as np", "torch": "import torch", "nn": "from torch import nn"}
"""Names that the copying of weights may use."""


def _split_imports(source: str) -> tuple[list[str], str]:
    """Return the imports of a source file, and what stands below; its docstring is left out."""
    lines = source.split("\n")
    imports: list[str] = []
    end = 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            assert node.end_lineno is not None
            imports += lines[node.lineno - 1 : node.end_lineno]
            end = node.end_lineno
    return imports, "\n".join(lines[end:]).strip("\n")


def _sort_imports(imports: Sequence[str]) -> list[str]:
    """Return the lines as ruff sorts them: Python's own first, whole modules before names."""
    groups: dict[str, list[str]] = {"from functools": [], "import ": [], "from ": []}
    for line in sorted(imports):
        head = next(head for head in groups if line.startswith(head))
        groups[head].append(line)
    own, modules, names = groups.values()
    return [*own, *[""] * bool(own), *modules, *names]
