from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.export import Dim
from torch.nn import functional

from exported import Calls, assert_same, targets, tripled
from torch2keras.capture.export import capture
from torch2keras.fx_passes.decompose import decompose
from torch2keras.fx_passes.source_lines import module_path, user_line

N, C, L = 2, 3, 7
LOWERED = {
    "abs.default", "add.Scalar", "add.Tensor", "amax.default", "arange.start_step",
    "avg_pool2d.default", "batch_norm.default", "bmm.default", "cat.default", "clamp.default",
    "constant_pad_nd.default", "conv1d.default", "div.Tensor", "dropout.default", "eq.Scalar",
    "erf.default", "exp.default", "expand.default", "expm1.default", "flip.default",
    "full.default", "ge.Scalar", "gt.Scalar", "index.Tensor", "le.Scalar", "le.Tensor",
    "linear.default", "log.default", "log1p.default", "logical_and.default", "matmul.default",
    "mean.default", "mean.dim", "mm.default", "mul.Scalar", "mul.Tensor", "neg.default",
    "permute.default", "pow.Tensor_Scalar", "relu.default", "reshape.default", "rsqrt.default",
    "scalar_tensor.default", "sigmoid.default", "sign.default", "slice.Tensor",
    "slice_scatter.default", "softmax.int", "sqrt.default", "squeeze.dims", "sub.Tensor",
    "sum.dim_IntList", "sym_size.int", "tanh.default", "to.dtype", "unsqueeze.default",
    "var.correction", "var_mean.correction", "where.self",
}  # fmt: skip


def x_ncl():
    return torch.linspace(-2, 2, N * C * L).reshape(N, C, L)


def has_lowering(op):
    return str(op).removeprefix("aten.") in LOWERED


FUNCTIONS = [
    ("gelu", functional.gelu),
    ("mish", functional.mish),
    ("elu", functional.elu),
    ("hardswish", functional.hardswish),
    ("glu", lambda x: functional.glu(x[:, :2], 1)),
    ("pad_circular", lambda x: functional.pad(x, (2, 3), mode="circular")),
    ("pad_reflect", lambda x: functional.pad(x, (2, 3), mode="reflect")),
    ("group_norm", lambda x: functional.group_norm(x, 3)),
    ("local_response_norm", lambda x: functional.local_response_norm(x, 2)),
    ("einsum", lambda x: torch.einsum("ncl,ncm->nlm", x, x)),
    ("std", lambda x: (x.std(-1), x.var(1, unbiased=False), *torch.var_mean(x, -1))),
    ("interpolate", lambda x: functional.interpolate(x, scale_factor=2, mode="linear")),
    ("normalize", lambda x: functional.normalize(x, dim=-1)),
    ("pixel_shuffle", lambda x: functional.pixel_shuffle(x[:, None, :, 1:].repeat(1, 4, 1, 1), 2)),
    ("channel_shuffle", lambda x: functional.channel_shuffle(x.repeat(1, 2, 1), 2)),
    ("tril", lambda x: x.tril()),
    ("lp_pool", lambda x: functional.lp_pool1d(x, 2.0, 3)),
    ("logsumexp", lambda x: x.logsumexp(-1)),
    ("cumsum", lambda x: x.cumsum(-1)),
    ("stack", lambda x: torch.stack([x, x], 1)),
    ("rms_norm", lambda x: functional.rms_norm(x, (L,))),
    ("mse_loss", lambda x: functional.mse_loss(x, x * 2)),
    ("baddbmm", lambda x: torch.baddbmm(x[..., :3], x, x.transpose(1, 2))),
]


@pytest.mark.parametrize(
    "function", [case[1] for case in FUNCTIONS], ids=[case[0] for case in FUNCTIONS]
)
def test_decomposed_graph_has_lowered_ops_only_and_the_same_numbers(function):
    module, args = Calls(function), (x_ncl(),)
    captured = capture(module, args)
    graph = decompose(captured.graph_module, has_lowering)
    calls = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    ops = [target for target in calls if isinstance(target, torch._ops.OpOverload)]
    assert not [op for op in ops if not has_lowering(op)]
    assert captured.program.range_constraints, "sizes stay symbolic"
    for given in (args, tripled(args)):
        assert_same(captured, module, given, graph=graph, exact=False)
    assert all("val" in node.meta for node in graph.graph.nodes if node.op == "call_function")


def test_lowered_ops_stay_whole():
    module = nn.Sequential(
        nn.Conv1d(C, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 2)
    )
    graph = decompose(capture(module, (x_ncl(),)).graph_module, has_lowering)
    assert targets(graph) == [
        "conv1d.default", "batch_norm.default", "relu.default", "dropout.default", "linear.default",
    ]  # fmt: skip


def nothing(op):
    return False


WHOLE = [
    ("dropout", nn.Dropout(0.5), "dropout.default"),
    ("batch_norm", nn.BatchNorm1d(C), "batch_norm.default"),
    ("lstm", nn.LSTM(L, 5, batch_first=True), "torch2keras.recurrent.default"),
    ("lstm with projections", nn.LSTM(L, 5, batch_first=True, proj_size=3), "lstm.input"),
    ("rand", Calls(lambda x: x + torch.rand_like(x)), "rand_like.default"),
    ("unfold", Calls(lambda x: x.unfold(-1, 3, 2)), "unfold.default"),
    ("topk", Calls(lambda x: x.topk(2).values), "topk.default"),
]


@pytest.mark.parametrize(
    ("module", "target"), [case[1:] for case in WHOLE], ids=[case[0] for case in WHOLE]
)
def test_ops_that_mean_more_or_cannot_be_decomposed_stay(module, target):
    graph = decompose(capture(module, (x_ncl(),)).graph_module, nothing)
    assert target in targets(graph)
    assert not [found for found in targets(graph) if found.startswith("prims")]


def test_no_symbolic_size_is_fixed():
    """An op over a dynamic length would be decomposed into the steps of one length."""
    module = Calls(lambda x: functional.adaptive_avg_pool1d(x, 3))
    captured = capture(module, (x_ncl(),), dynamic_shapes=({0: Dim.AUTO, 2: Dim.AUTO},))
    graph = decompose(captured.graph_module, nothing)
    for length in (L, 11):
        args = (torch.randn(5, C, length),)
        assert_same(captured, module, args, graph=graph, exact=False)


class Block(nn.Module):
    def forward(self, x):
        return functional.gelu(x)


def test_spliced_nodes_carry_the_origin():
    captured = capture(nn.Sequential(nn.ReLU(), Block()), (x_ncl(),))
    graph = decompose(captured.graph_module, has_lowering)
    spliced = [node for node in graph.graph.nodes if node.op == "call_function"][1:]
    assert len(spliced) == 5
    assert {module_path(node) for node in spliced} == {("1", "Block")}
    assert {user_line(node).text for node in spliced} == {"return functional.gelu(x)"}


def test_given_graph_is_not_changed():
    captured = capture(Calls(functional.gelu), (x_ncl(),))
    before = captured.graph_module.code
    decompose(captured.graph_module, has_lowering)
    assert captured.graph_module.code == before
