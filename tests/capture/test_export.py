from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.export import Dim

from exported import Calls, assert_golden, assert_same, targets, tripled
from torch2keras.capture.export import capture
from torch2keras.errors import CaptureError, InputError
from torch2keras.fx_passes.fake_values import static_size

N, C, L = 2, 3, 11


def x_ncl(batch=N):
    return torch.linspace(-2, 2, batch * C * L).reshape(batch, C, L)


class TwoInputs(nn.Module):
    def forward(self, x, *, scale, pair):
        return {"sum": x * scale + pair[0], "parts": (pair[1].relu(), x)}


def dynamic_dims(captured):
    """The dims of each input tensor that are dynamic."""
    user = set(captured.program.graph_signature.user_inputs)
    values = [node.meta["val"] for node in captured.program.graph.nodes if node.name in user]
    return [
        [dim for dim, size in enumerate(value.shape) if static_size(size) is None]
        for value in values
        if isinstance(value, torch.Tensor)
    ]


TWO = {"scale": torch.ones(N, 1, 1), "pair": [x_ncl(), x_ncl()]}
ONE = {"scale": torch.ones(1, 1, 1), "pair": [x_ncl(1), x_ncl(1)]}
conv = nn.Conv1d(C, 5, 3)

# name, module, args, kwargs, dynamic dims of each tensor, what the notes say of a fixed batch
BATCH = [
    ("batch_of_2", conv, (x_ncl(),), {}, [[0]], ""),
    ("batch_of_1", conv, (x_ncl(1),), {}, [[0]], ""),
    ("no_batch", conv, (x_ncl()[0],), {}, [[]], "fixed to 3"),
    (
        "no_batch_one_channel",
        nn.Conv1d(1, 5, 3),
        (x_ncl()[0, :1],),
        {},
        [[]],
        "fixed to 1: Given groups=1",
    ),
    ("kwargs", TwoInputs(), (x_ncl(),), TWO, [[0], [0], [0], [0]], ""),
    ("kwargs_of_1", TwoInputs(), (x_ncl(1),), ONE, [[0], [0], [0], [0]], ""),
    (
        "squeezes_batch_of_1",
        Calls(lambda x: x.squeeze() + 1),
        (x_ncl(1),),
        {},
        [[]],
        "have other dims",
    ),
    (
        "batch_as_number",
        Calls(lambda x: x.reshape(1, C * L) + 1),
        (x_ncl(1),),
        {},
        [[]],
        "'[1, 33]' is invalid",
    ),
    ("batch_summed", Calls(lambda x: x.sum(0)), (x_ncl(1),), {}, [[]], "no output keeps the batch"),
    ("batch_summed_of_2", Calls(lambda x: x.sum(0)), (x_ncl(),), {}, [[0]], ""),
    ("number", Calls(lambda x, k: x * k), (x_ncl(), 3), {}, [[0]], ""),
    ("scalar_tensor", Calls(lambda x, s: x * s), (x_ncl(1), torch.tensor(2.0)), {}, [[0], []], ""),
]


@pytest.mark.parametrize(
    ("module", "args", "kwargs", "dims", "note"),
    [case[1:] for case in BATCH],
    ids=[case[0] for case in BATCH],
)
def test_batch_is_dynamic_where_it_can_be(module, args, kwargs, dims, note):
    captured = capture(module, args, kwargs)
    assert dynamic_dims(captured) == dims
    fixed = [text for text in captured.notes if text.startswith("The first dim")]
    assert bool(fixed) == bool(note)
    assert all(note in text for text in fixed)
    assert_same(captured, module, args, kwargs)
    if any(dims):
        assert_same(captured, module, *tripled((args, kwargs)))


# name, dynamic_shapes, batch of the example, dynamic dims
ASKED = [
    ("hints", ({0: Dim.AUTO, 2: Dim.AUTO},), N, [0, 2]),
    ("hints_batch_of_1", ({0: Dim.AUTO, 2: Dim.AUTO},), 1, [0, 2]),
    ("names", {"input": {0: Dim("batch"), 2: Dim("length", min=5, max=101)}}, N, [0, 2]),
    ("names_batch_of_1", {"input": {0: Dim("batch"), 2: Dim("length", min=5, max=101)}}, 1, [0, 2]),
    ("length_only", ({2: Dim.DYNAMIC},), N, [2]),
    ("per_dim", ((None, None, Dim("length", min=5)),), N, [2]),
    ("nothing", (None,), N, []),
]


@pytest.mark.parametrize(
    ("shapes", "batch", "dims"), [case[1:] for case in ASKED], ids=[case[0] for case in ASKED]
)
def test_dynamic_shapes_are_used_as_given(shapes, batch, dims):
    args = (x_ncl(batch),)
    captured = capture(conv, args, dynamic_shapes=shapes)
    assert dynamic_dims(captured) == [dims]
    assert_same(captured, conv, args)
    longer = (torch.cat([args[0]] * 2, 2),) if 2 in dims else args
    assert_same(captured, conv, tripled(longer) if 0 in dims else longer)


def test_bounds_of_a_dynamic_length_are_those_that_were_asked():
    captured = capture(conv, (x_ncl(),), dynamic_shapes=({2: Dim("length", min=5, max=101)},))
    (bounds,) = captured.program.range_constraints.values()
    assert (int(bounds.lower), int(bounds.upper)) == (5, 101)


def test_length_of_1_with_a_hint_is_noted():
    captured = capture(
        nn.ReLU(), (torch.ones(N, C, 1),), dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},)
    )
    assert dynamic_dims(captured) == [[0]]
    assert "Dim 2 of input is fixed to 1, the example's size." in captured.notes


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


def test_notes():
    module = nn.Sequential(nn.Linear(L, 5), nn.BatchNorm1d(C))
    with torch.no_grad():
        module[0].weight[2, 3] = torch.nan
        module[1].running_var[1] = torch.inf
    assert capture(module, (x_ncl(),)).notes == (
        "The module is in train mode; converted as in eval mode, and left in train mode.",
        "NaN or infinity in 0.weight, 1.running_var; they are converted as they are.",
    )
    module.eval()[1].train()
    assert (
        "1 is in train mode; converted as in eval mode, and left in train mode."
        in capture(module, (x_ncl(),)).notes
    )
    assert capture(Calls(lambda x, k: x * k).eval(), (x_ncl(), 3)).notes == (
        "Input tensors[1]=3 is a constant of the converted model.",
    )


def test_export_prints_nothing(capfd):
    with pytest.raises(CaptureError):
        capture(Branches(), (x_ncl(),))
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


def masked(x, lengths):
    positions = torch.arange(int(lengths.max()))
    return x * (positions < lengths[:, None])[:, None]


class Branches(nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return x + 1


class CountsFrames(nn.Module):
    def forward(self, x):
        return x[..., : int(x.abs().sum())]


class Lengths(nn.Module):
    def forward(self, x, lengths, mask=None):
        return x * lengths


def complex_module():
    module = nn.Linear(L, 5)
    module.register_parameter("phase", nn.Parameter(torch.ones(3, dtype=torch.complex64)))
    return module


class BadPadding(nn.Module):
    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose1d(C, 5, 4, padding="same")

    def forward(self, x):
        return self.up(x)


X = x_ncl()
# name, error, module, args, keyword arguments of capture
REFUSED = [
    ("not_a_module", InputError, lambda: torch.relu, (X,), {}),
    ("a_class", InputError, lambda: nn.ReLU, (X,), {}),
    ("no_inputs", InputError, Lengths, (), {}),
    ("missing_input", InputError, Lengths, (X,), {}),
    ("unknown_input", InputError, lambda: conv, (X,), {"kwargs": {"mask": X}}),
    ("scripted", InputError, lambda: torch.jit.script(nn.Sequential(nn.ReLU())), (X,), {}),
    ("scripted_part", InputError, lambda: nn.Sequential(torch.jit.script(nn.ReLU())), (X,), {}),
    ("meta_parameters", InputError, lambda: nn.Conv1d(C, 5, 3, device="meta"), (X,), {}),
    ("lazy_parameters", InputError, lambda: nn.Sequential(nn.LazyConv1d(5, 3)), (X,), {}),
    ("complex_parameter", InputError, complex_module, (X,), {}),
    ("half_complex_input", InputError, lambda: conv, (X.to(torch.complex32),), {}),
    ("quantised_input", InputError, lambda: conv, (torch.quantize_per_tensor(X, 0.1, 0, torch.qint8),), {}),
    ("meta_input", InputError, lambda: conv, (X.to("meta"),), {}),
    ("wrong_shape", InputError, lambda: nn.Sequential(nn.ReLU(), nn.Conv1d(4, 5, 3)), (X,), {}),
    ("word_as_padding", InputError, BadPadding, (X,), {}),
    ("branch_on_tensor", CaptureError, lambda: nn.Sequential(Branches()), (X,), {}),
    ("data_of_a_value", CaptureError, lambda: Calls(lambda x: (x * 2).data + 1), (X,), {}),
    ("number_from_tensor", CaptureError, CountsFrames, (X,), {}),
    ("fixed_length_named_dynamic", InputError, lambda: nn.Linear(L, 5), (X,),
     {"dynamic_shapes": ({2: Dim("length")},)}),
    ("named_length_of_1", InputError, nn.ReLU, (X[:, :, :1],), {"dynamic_shapes": ({2: Dim("length")},)}),
    ("shapes_do_not_fit", InputError, nn.ReLU, (X,), {"dynamic_shapes": ({0: Dim.AUTO}, None)}),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "error", "make", "args", "options"), REFUSED, ids=[case[0] for case in REFUSED]
)
def test_refusals(name, error, make, args, options):
    with pytest.raises(error) as raised:
        capture(make(), args, **options)
    assert type(raised.value) is error
    assert_golden(name, str(raised.value))


def test_torchs_own_words_are_quoted():
    with pytest.raises(InputError, match=r"expected input.* to have 4 channels"):
        capture(nn.Conv1d(4, 5, 3), (X,))
