"""A module becomes a graph that gives its numbers, and is left as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from exported import Calls, assert_same, targets
from torch2keras.capture.export import capture
from torch2keras.errors import CaptureError

N, C, L = 2, 3, 11


def x_ncl(batch=N):
    return torch.linspace(-2, 2, batch * C * L).reshape(batch, C, L)


def masked(x, lengths):
    positions = torch.arange(int(lengths.max()))
    return x * (positions < lengths[:, None])[:, None]


conv = nn.Conv1d(C, 5, 3)


class Recording(nn.Module):
    """Assigns, appends, draws random numbers and fails on demand."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(C, 5, 3), nn.BatchNorm1d(5), nn.Dropout(0.5))
        self.seen, self.cache, self.last, self.fails = [1], {"a": 1}, None, False

    def forward(self, x):
        self.seen.append(2)
        self.cache["b"] = x
        self.last, self.new = x, 3
        if self.fails and x.sum() > 0:
            return x
        return self.layers(x) + torch.rand(1)


@pytest.mark.parametrize("fails", [False, True])
def test_module_inputs_and_torch_are_as_before(fails):
    module, x = Recording(), x_ncl().requires_grad_()
    module.fails = fails
    module.layers[1].eval()
    calls = []
    handle = module.layers[0].register_forward_hook(lambda *_: calls.append(1))
    state = {
        name: (tensor, tensor.detach().clone())
        for name, tensor in module.state_dict(keep_vars=True).items()
    }
    attributes = {path: dict(submodule.__dict__) for path, submodule in module.named_modules()}
    torch.manual_seed(5)
    generator = torch.get_rng_state()
    with torch.no_grad(), torch.autocast("cpu"):
        if fails:
            with pytest.raises(CaptureError):
                capture(module, (x,))
        else:
            capture(module, (x,))
        assert not torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(torch.get_rng_state(), generator)
    assert torch.backends.mha.get_fastpath_enabled()
    assert {path: submodule.training for path, submodule in module.named_modules()} == {
        "": True, "layers": True, "layers.0": True, "layers.1": False, "layers.2": True,
    }  # fmt: skip
    assert {path: list(submodule.__dict__) for path, submodule in module.named_modules()} == {
        path: list(names) for path, names in attributes.items()
    }
    for path, submodule in module.named_modules():
        assert all(submodule.__dict__[name] is value for name, value in attributes[path].items())
    assert (module.seen, module.cache, module.last) == ([1], {"a": 1}, None)
    assert list(module.layers[0]._forward_hooks) == [handle.id]
    for name, tensor in module.state_dict(keep_vars=True).items():
        assert tensor is state[name][0]
        assert torch.equal(tensor, state[name][1])
    assert torch.equal(x, x_ncl())
    assert x.grad is None
    assert not [name for name in vars(x) if "dynamo" in name]


def test_fast_attention_kernels_stay_out():
    encoder = nn.TransformerEncoderLayer(14, 2, batch_first=True).requires_grad_(False)
    found = targets(capture(encoder, (torch.randn(N, 5, 14),)).graph_module)
    assert "torch2keras.multi_head_attention.default" in found
    assert not [target for target in found if target.startswith("_")]


def test_strict_export_is_the_second_try():
    module, args = Calls(masked), (x_ncl(), torch.tensor([L, 5]))
    captured = capture(module, args)
    assert captured.strict
    assert_same(captured, module, args)
    assert_same(captured, module, (x_ncl(), torch.tensor([L, 2])))
    assert not capture(conv, (x_ncl(),)).strict


def test_placeholders_are_those_of_the_program():
    captured = capture(nn.Sequential(conv, nn.BatchNorm1d(5)), (x_ncl(),))
    names = [node.name for node in captured.graph_module.graph.nodes if node.op == "placeholder"]
    assert names == [node.name for node in captured.program.graph.nodes if node.op == "placeholder"]
    assert names == [spec.arg.name for spec in captured.program.graph_signature.input_specs]


def test_export_prints_nothing(capfd):
    with pytest.raises(CaptureError):
        capture(Calls(lambda x: x if x.sum() > 0 else x + 1), (x_ncl(),))
    assert capfd.readouterr() == ("", "")


def test_tensorflow_may_be_imported_first():
    code = (
        "import tensorflow, torch\n"
        "from torch2keras.capture.export import capture\n"
        "print(len(capture(torch.nn.ReLU(), (torch.ones(2, 3),)).graph_module.graph.nodes))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "3\n", done.stderr


def test_triton_is_settled_where_only_tensorflow_came_first():
    code = "import sys, tensorflow, torch2keras, torchvision; print(sys.modules['triton'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "None\n", done.stderr


def test_numbers_left_in_the_graph_are_known_where_they_hang_on_no_input():
    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.tensor(3))

        def forward(self, x):
            return x * self.scale.item()

    captured = capture(Reads(), (x_ncl(),))
    assert "aten.item.default" not in targets(captured.graph_module)
    assert any("A number is fixed" in note for note in captured.notes)
    assert_same(captured, Reads(), (x_ncl(),))


def test_a_reason_fixes_everything_and_is_noted():
    captured = capture(conv, (x_ncl(),), fixed_because="it is so.")
    assert not captured.is_dynamic
    wanted = "Dim 0 of input is fixed to 2, the example's size: it is so."
    assert wanted in captured.notes


def test_writes_without_gradient_are_noted():
    def function(x):
        y = x + 1
        with torch.no_grad():
            y[:, 0] = 3
        return y

    (note,) = [n for n in capture(Calls(function), (x_ncl(),)).notes if "no_grad" in n]
    assert note.startswith("1 in-place op under")
