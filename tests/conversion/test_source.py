"""The head of generated code, and that a conversion is verified with its code."""

from __future__ import annotations

import ast
from typing import Any

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion import source
from torch2keras.conversion.source import LOADING_H5, WEIGHTS_FILE, make_source, name_weights_file
from torch2keras.keras_graph.source.replay import require_same_calls

X = torch.randn(2, 3, 17)
IMPORTS = {
    "import keras",
    "from keras import layers",
    "from keras import ops",
    "from keras import layers, ops",
}


def test_the_head_says_what_it_was_made_from_and_how_to_load() -> None:
    converted = t2k.convert(nn.Conv1d(3, 5, 2).eval(), (X,), verify=False)
    head = str(ast.get_docstring(ast.parse(make_source(converted.conversion))))
    assert head.startswith("torch.nn.modules.conv.Conv1d as a Keras model, made by torch2keras ")
    assert f'model.load_weights("{WEIGHTS_FILE}")' in head
    assert torch.__version__ in head


def test_names_of_the_user_do_not_become_code() -> None:
    hostile = 'a"""\nimport os\n'
    cls = type(hostile, (nn.Sequential,), {"__module__": hostile, "__qualname__": hostile})
    inner = type("def", (nn.Sequential,), {"__qualname__": hostile})
    net = cls()
    for name in ("class", "x", "name", "1", "ümlaut"):
        net.add_module(name, inner(nn.Conv1d(3, 3, 1), nn.ReLU(), nn.Conv1d(3, 3, 3)))
    converted = t2k.convert(net.eval(), (X,), verify=False, name="os; x")
    text = converted.source()
    nodes = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in nodes} <= IMPORTS
    require_same_calls(text, converted.conversion.lowered.graph)


def test_a_conversion_is_verified_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def write_another(graph: Any, *_: Any) -> str:
        text = "def build():\n    return keras.Model([], [], name='x')\n"
        require_same_calls(text, graph)
        return text

    monkeypatch.setattr(source, "write_source", write_another)
    with pytest.raises(t2k.errors.InternalError, match="source code differs"):
        t2k.convert(nn.Conv1d(3, 5, 3).eval(), (X,))


@pytest.mark.parametrize(
    "name", ['a"""\nimport os\n', "ü.h5", "a\\", 'b".safetensors', "net.weights.h5"]
)
def test_a_name_of_a_file_does_not_become_code(name: str) -> None:
    loading = LOADING_H5.format(file=f'"{WEIGHTS_FILE}"')
    code = f'"""One line.\n\n{loading}\n"""\nx = 1\n'
    tree = ast.parse(name_weights_file(code, name))
    assert [type(node) for node in tree.body] == [ast.Expr, ast.Assign]
    assert name in str(ast.get_docstring(tree, clean=False))
