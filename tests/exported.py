"""Run captured graphs, and hold error messages against their golden texts."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from torch2keras.capture.captured import Captured
from torch2keras.fx_passes.fake_values import size_as_number

GOLDEN = Path(__file__).parent / "golden"


class Calls(nn.Module):
    """A module whose forward is a function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *tensors):
        return self.function(*tensors)


def copies(value: Any) -> Any:
    """The same arguments with every tensor cloned: modules under test write to their inputs."""
    return pytree.tree_map(
        lambda leaf: leaf.clone() if isinstance(leaf, torch.Tensor) else leaf, value
    )


def dynamic_dims(captured: Captured) -> list[list[int]]:
    """The dims of each input tensor that are dynamic."""
    return [
        [dim for dim, size in enumerate(value.shape) if size_as_number(size) is None]
        for value in captured.user_values
    ]


def tripled(value: Any) -> Any:
    """The same arguments with every tensor three times behind itself along dim 0."""

    def triple(leaf):
        return (
            torch.cat([leaf, leaf + 1, leaf])
            if isinstance(leaf, torch.Tensor) and leaf.ndim
            else leaf
        )

    return pytree.tree_map(triple, value)


def graph_outputs(
    captured: Captured, module: nn.Module, args, kwargs=None, *, graph: fx.GraphModule | None = None
):
    """What a captured graph gives for a call of the module: its outputs, flat."""
    program = captured.program
    state = {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
        **program.constants,
    }
    given = iter(pytree.tree_leaves(copies((args, kwargs or {}))))
    values = [
        next(given) if spec.kind is InputKind.USER_INPUT else state[spec.target]
        for spec in program.graph_signature.input_specs
    ]
    with torch.no_grad():
        return list((graph or captured.graph_module)(*values))


def module_outputs(module: nn.Module, args, kwargs=None):
    """What the module itself gives in eval mode, flat; its training flags stay."""
    flags = [(submodule, submodule.training) for submodule in module.modules()]
    module.eval()
    with torch.no_grad():
        outputs = pytree.tree_leaves(module(*copies(args), **copies(kwargs or {})))
    for submodule, training in flags:
        submodule.training = training
    return outputs


def assert_same(
    captured: Captured, module: nn.Module, args, kwargs=None, *, graph=None, exact=True
) -> None:
    """The graph gives the module's numbers, shapes and dtypes."""
    wanted = module_outputs(module, args, kwargs)
    found = graph_outputs(captured, module, args, kwargs, graph=graph)
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        limits = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-5, "atol": 5e-6}
        torch.testing.assert_close(ours, theirs, **limits, equal_nan=True)


def targets(graph: fx.GraphModule) -> list[str]:
    """The ops of a graph in order, as "add.Tensor"."""
    calls = (node for node in graph.graph.nodes if node.op == "call_function")
    return [str(node.target).removeprefix("aten.") for node in calls]


def assert_golden(name: str, message: str) -> None:
    """The message is that of tests/golden/NAME.txt; UPDATE_GOLDEN=1 writes it.

    Folders and line numbers are left out, and what PyTorch says, which is not ours.
    """
    message = re.sub(r"\S*/(?=[^/\s]+\.py:)", "", message)
    message = re.sub(r"(\.py):\d+", r"\1:LINE", message)
    message = re.sub(r"(?m)^  torch    .*(\n {11}.*)*", "  torch    ...", message) + "\n"
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(message, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == message
