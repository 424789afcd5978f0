from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import fx, nn

import torch2keras
from torch2keras.capture.export import capture
from torch2keras.fx_passes.source_lines import (
    find_current_place,
    is_users_file,
    module_path,
    normalise_path,
    user_line,
)

# torch.export's spelling, the path of named_modules()
PATHS = [
    ("", ""),
    ("L__self__", ""),
    ("L['self']", ""),
    ("features.0", "features.0"),
    ("L['self'].encoder.layers", "encoder.layers"),
    ("L['self']._modules['features']._modules['0']", "features.0"),
    ("L['self'].features[0].conv", "features.0.conv"),
    ("getattr(L['self'].features, '0')", "features.0"),
    ("getattr(getattr(L['self'].blocks, '1').layers, '2').conv", "blocks.1.layers.2.conv"),
    ("L['self']._export_root.body", "body"),
    ("shared@1", "shared"),
]


@pytest.mark.parametrize(("exported", "path"), PATHS)
def test_paths_are_those_of_named_modules(exported, path):
    assert normalise_path(exported) == path


class Scale(nn.Module):
    def forward(self, x):
        return torch.mul(x, 3)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(7, 5), Scale())])
        self.shared = Scale()

    def forward(self, x):
        y = self.blocks[0](self.shared(x))
        return self.shared(y) - 1


def origins(captured):
    calls = [node for node in captured.graph_module.graph.nodes if node.op == "call_function"]
    return [(str(node.target), module_path(node), user_line(node).text) for node in calls]


def test_nodes_know_their_module_and_the_users_line():
    captured = capture(Net(), (torch.ones(2, 7),))
    assert origins(captured) == [
        ("aten.mul.Tensor", ("shared", "Scale"), "return torch.mul(x, 3)"),
        ("aten.linear.default", ("blocks.0.0", "Linear"), "y = self.blocks[0](self.shared(x))"),
        ("aten.mul.Tensor", ("blocks.0.1", "Scale"), "return torch.mul(x, 3)"),
        ("aten.mul.Tensor", ("shared", "Scale"), "return torch.mul(x, 3)"),
        ("aten.sub.Tensor", ("", "Net"), "return self.shared(y) - 1"),
    ]
    paths = dict(Net().named_modules())
    assert all(
        module_path(node)[0] in paths
        for node in captured.graph_module.graph.nodes
        if node.op != "placeholder"
    )


class StrictOnly(nn.Module):
    """A module that only the exporter's second way takes, with the paths that this way writes."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(nn.Sequential(Scale()))

    def forward(self, x, lengths):
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        return self.blocks(x) * mask


def test_strict_export_gives_the_same_paths_and_lines():
    captured = capture(StrictOnly(), (torch.ones(2, 7), torch.tensor([7, 5])))
    assert captured.strict
    assert ("aten.mul.Tensor", ("blocks.0.0", "Scale"), "return torch.mul(x, 3)") in origins(
        captured
    )
    assert {module_path(node)[0] for node in captured.graph_module.graph.nodes} == {
        "",
        "blocks.0.0",
    }


def test_line_points_into_this_file():
    captured = capture(Scale(), (torch.ones(2, 7),))
    (node,) = (node for node in captured.graph_module.graph.nodes if node.op == "call_function")
    line = user_line(node)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    assert lines[line.line - 1].strip() == line.text
    assert line.file == __file__
    assert str(line).endswith(f"test_source_lines.py:{line.line}    return torch.mul(x, 3)")


def test_node_without_origin_has_none():
    node = fx.Graph().placeholder("x")
    assert user_line(node) is None
    assert module_path(node) == ("", "")
    assert (
        user_line(next(iter(capture(nn.ReLU(), (torch.ones(2),)).graph_module.graph.nodes))) is None
    )


class Place(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = torch.nn.Sequential(Leaf())

    def forward(self, x):
        return self.inner(x)


class Leaf(torch.nn.Module):
    def forward(self, x):
        self.found = find_current_place()
        return x


def test_the_place_is_the_innermost_module_and_its_line():
    net = Place()
    net(torch.ones(1))
    module, line = net.inner[0].found
    assert module is net.inner[0]
    assert line.text == "self.found = find_current_place()"


def test_outside_of_a_module_there_is_a_line_alone():
    module, line = find_current_place()
    assert module is None
    assert line.file == __file__


def test_files_of_ours_and_of_torch_are_no_users_files():
    own = Path(torch2keras.__file__).parent
    inner = [*own.glob("*.py"), *own.glob("*/*.py"), *own.glob("*/*/*.py")]
    assert not any(is_users_file(str(file)) for file in inner)
    assert not is_users_file(nn.__file__)
    assert not is_users_file("<string>")
    assert is_users_file(__file__)


def test_a_note_on_a_size_names_no_line_of_ours():
    class Fixed(nn.Module):
        def forward(self, x):
            return nn.functional.softmax(x.expand(2, 3, 11), -1)

    notes = torch2keras.convert(Fixed().eval(), (torch.randn(2, 3, 11),), verify=False).report.notes
    assert any("test_source_lines.py" in str(note) for note in notes)
    assert not any("torch2keras/" in str(note) for note in notes)
