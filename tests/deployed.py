"""A module's deployment graph beside the module: equal numbers, and the operators of its file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras
from torch2keras.converted import Converted
from torch2keras.deployment_forms.deployment_graph import DeploymentGraph, make_deployment_graph
from torch2keras.deployment_forms.fused_lstm import reset_lstm_states

CLOSE = 2e-5
"""The largest difference that is allowed, of the largest number of an output."""


@dataclass
class Deployed:
    """A deployment graph, and how often each operator of LiteRT stands in its file."""

    converted: Converted
    graph: DeploymentGraph
    operators: Counter[str] = field(default_factory=Counter)


def deploy(module: nn.Module, *example: torch.Tensor, **options: Any) -> Deployed:
    """Convert a module, and check its graph at batch 1: by itself, and as a file in LiteRT.

    The example has a batch of 2 or more.
    """
    module = module.eval()
    converted = torch2keras.convert(module, example, verify=False, **options)
    graph = make_deployment_graph(converted.conversion)
    inputs = [tensor[:1] for tensor in example]
    with torch.no_grad():
        expected = module(*inputs)
    wanted = [tensor.numpy() for tensor in as_sequence(expected)]
    given = [port.from_torch(x) for port, x in zip(converted.inputs, inputs, strict=True)]
    by_name = dict(zip([spec.name for spec in graph.signature], given, strict=True))
    deployed = Deployed(converted, graph)
    compare(converted, graph.serve(*map(tf.constant, given)), wanted)
    content = write_lite(graph)
    run, deployed.operators = read_lite(content)
    others = dict(zip(by_name, map(np.zeros_like, given), strict=True))
    for runner in (run, read_lite(content, delegated=True)[0]):
        compare(converted, runner(by_name), wanted)
        runner(others)
        compare(converted, runner(by_name), wanted)
    return deployed


def as_sequence(result: Any) -> Sequence[torch.Tensor]:
    """Return a result as several ones."""
    return result if isinstance(result, list | tuple) else (result,)


def compare(converted: Converted, results: dict[str, Any], wanted: Sequence[np.ndarray]) -> None:
    """Compare the outputs by their names."""
    for port, expected in zip(converted.outputs, wanted, strict=True):
        found = port.to_torch(results[port.name])
        assert found.shape == expected.shape
        scale = max(1e-6, float(np.abs(expected).max()))
        np.testing.assert_allclose(found, expected, rtol=0, atol=CLOSE * scale)


def write_lite(graph: DeploymentGraph) -> bytes:
    """Return the graph as a file of LiteRT, of its own operators alone."""
    with TemporaryDirectory() as folder:
        tf.saved_model.save(graph, folder, signatures={"serve": graph.concrete})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serve"])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        return reset_lstm_states(converter.convert())


def read_lite(
    content: bytes, *, delegated: bool = False
) -> tuple[Callable[[dict[str, Any]], dict[str, Any]], Counter[str]]:
    """Return what runs a file on arrays by name, `delegated` to XNNPACK or not, and its operators.

    XNNPACK has one operator in place of those that it takes.
    """
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    kinds = litert.OpResolverType
    kind = kinds.AUTO if delegated else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=kind)
    names = [details["op_name"] for details in interpreter._get_ops_details()]
    return lambda feeds: interpreter.get_signature_runner()(**feeds), Counter(names)
