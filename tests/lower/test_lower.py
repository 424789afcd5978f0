"""Whole graphs: where values lie, what is refused, and what a survey notes."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from stages import graph_of, lowered, node_of, plan_of
from torch2keras.declarations.registry import Lowering, registry
from torch2keras.errors import LoweringError, UnsupportedOpError
from torch2keras.keras_graph.graph import REFUSED, KerasGraph
from torch2keras.lower.lower import Survey, lower
from torch2keras.lower.recorder import ops

aten = torch.ops.aten


class Net(nn.Module):
    """A convolution, and what a graph may do around one."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.conv(x)
        y.exp()
        return y.transpose(1, 2), torch.relu(y)


def targets(graph: KerasGraph) -> list[str]:
    return [call.target for call in graph.calls]


def test_a_graph_has_the_calls_that_its_outputs_need() -> None:
    found = lowered(graph_of(Net(), (2, 3, 11)))
    assert targets(found.graph) == ["layers.Conv1D", "layers.ReLU"]
    assert found.graph.outputs == (1, 2)
    assert [port.shape for port in found.graph.inputs] == [(None, 11, 3)]


def test_values_lie_where_their_numbers_and_storages_say() -> None:
    graph = graph_of(Net(), (2, 3, 11))
    found = lowered(graph)
    conv = node_of(graph, "conv1d").outputs[0]
    stored = found.values[conv]
    assert (stored.tensor.index, stored.tensor.shape) == (1, (None, 9, 5))
    assert stored.storage == ((0,), (2,), (1,))
    transposed = node_of(graph, "transpose").outputs[0]
    assert found.values[transposed].tensor.index == 1
    assert found.values[transposed].storage == ((0,), (1,), (2,))


def test_ports_are_stored_as_the_plan_says() -> None:
    graph = graph_of(Net(), (2, 3, 11))
    channels_last, as_torch = lowered(graph), lowered(graph, "torch")
    assert channels_last.input_storages == (((0,), (2,), (1,)),)
    assert as_torch.input_storages == (((0,), (1,), (2,)),)
    assert targets(as_torch.graph).count("ops.transpose") == 2


def test_an_output_that_is_no_tensor_has_no_storage() -> None:
    found = lowered(graph_of(lambda x: (torch.relu(x), None), (2, 3)))
    assert found.output_storages == (((0,), (1,)), None)


def test_a_constant_output_is_a_value() -> None:
    found = lowered(graph_of(lambda x: (x, torch.arange(3.0)), (2, 3)))
    assert len(found.graph.outputs) == 2
    assert found.graph.outputs[1] in {i for call in found.graph.calls for i in call.outputs}


def with_converter(monkeypatch: pytest.MonkeyPatch, convert) -> None:
    """Let a converter stand for that of sin."""
    op = aten.sin.default
    monkeypatch.setitem(registry.lowerings, op, Lowering(op, convert, "..."))


@pytest.mark.parametrize(
    ("convert", "says"),
    [
        (lambda x: x[:, :2], r"gives \(None, 2\) where \(None, 3\) is due"),
        (lambda x: x[0], r"gives \(3,\) where \(None, 3\) is due"),
        (lambda x: None, "that is not computed in Keras"),
        (lambda x: ops.squeeze(x, 1), "cannot be expressed in Keras with these arguments"),
    ],
    ids=["a size", "a rank", "nothing", "an error of Keras"],
)
def test_what_a_converter_does_wrong_is_refused_at_its_place(monkeypatch, convert, says) -> None:
    with_converter(monkeypatch, convert)
    with pytest.raises(LoweringError, match=says) as raised:
        lowered(graph_of(lambda x: torch.sin(x), (2, 3)))
    assert re.search(r"inputs +\S+ f32\[s\d+, 3\]", str(raised.value))


def test_a_result_gets_the_dtype_of_pytorch(monkeypatch) -> None:
    with_converter(monkeypatch, lambda x: ops.cast(x, "float16"))
    found = lowered(graph_of(lambda x: torch.sin(x), (2, 3)))
    assert targets(found.graph) == ["ops.cast", "ops.cast"]


class Refused(nn.Module):
    """An op that is refused, between two that are not."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(torch.bernoulli(torch.sin(x)))


def test_a_survey_notes_calls_and_refusals_and_goes_on() -> None:
    graph = graph_of(Refused(), (2, 3))
    nodes = {op: node_of(graph, op) for op in ("sin", "bernoulli", "relu")}
    survey = Survey()
    found = lower(graph, plan_of(graph), "net", survey=survey)
    noted = {op: [c.target for c in survey.calls[node]] for op, node in nodes.items()}
    assert noted == {"sin": ["ops.sin"], "bernoulli": [REFUSED], "relu": ["layers.ReLU"]}
    assert list(survey.refusals) == [nodes["bernoulli"]]
    assert isinstance(survey.refusals[nodes["bernoulli"]], UnsupportedOpError)
    assert targets(found.graph) == ["ops.sin", REFUSED, "layers.ReLU"]
