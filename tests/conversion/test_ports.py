from __future__ import annotations

import jax.numpy
import numpy as np
import pytest
import torch
from torch import nn
from torch.export import Dim

import torch2keras as t2k
from op_case import Function
from torch2keras.conversion.ports import Port

NCL = Port("x", "float32", (None, 3, 5), (None, 5, 3), "n l c", (0, 2, 1))


@pytest.mark.parametrize(
    "made", [np.asarray, torch.as_tensor, jax.numpy.asarray], ids=["NumPy", "PyTorch", "JAX"]
)
def test_both_ways(made) -> None:
    x = np.arange(30, dtype="float32").reshape(2, 3, 5)
    stored = NCL.from_torch(made(x))
    assert stored.shape == (2, 5, 3)
    assert stored.flags["C_CONTIGUOUS"]
    assert np.array_equal(NCL.to_torch(stored), x)


def test_three_dimensions_turn_the_right_way() -> None:
    port = Port("x", "float32", (2, 3, 5), (5, 2, 3), "l n c", (2, 0, 1))
    x = np.arange(30).reshape(2, 3, 5)
    assert np.array_equal(port.from_torch(x), x.transpose(2, 0, 1))
    assert np.array_equal(port.to_torch(port.from_torch(x)), x)


def test_bfloat16_and_gradients() -> None:
    x = torch.randn(2, 3, 5, dtype=torch.bfloat16, requires_grad=True)
    assert NCL.from_torch(x).dtype == "float32"
    assert np.array_equal(NCL.to_torch(NCL.from_torch(x)), x.detach().float().numpy())


# module, inputs, options; name, dtype, PyTorch's shape, Keras's shape and order of each port
PORTS = [
    (
        nn.Conv1d(3, 5, 3),
        [torch.zeros(2, 3, 11)],
        {},
        [
            "input float32 (None, 3, 11) (None, 11, 3) n l c",
            "output float32 (None, 5, 9) (None, 9, 5) n l c",
        ],
    ),
    (
        nn.Conv1d(3, 5, 3),
        [torch.zeros(2, 3, 11)],
        {"layout": "torch", "dynamic_shapes": ({0: Dim.AUTO, 2: Dim.AUTO},)},
        [
            "input float32 (None, 3, None) (None, 3, None) n c l",
            "output float32 (None, 5, None) (None, 5, None) n c l",
        ],
    ),
    (
        Function(lambda x, i: (x[:, 0], i + 1)),
        [torch.zeros(2, 3, 11), torch.zeros(2, 7, dtype=torch.int64)],
        {},
        [
            "args_0 float32 (None, 3, 11) (None, 3, 11) n c l",
            "args_1 int64 (None, 7) (None, 7) n c",
            "output_0 float32 (None, 11) (None, 11) n c",
            "output_1 int64 (None, 7) (None, 7) n c",
        ],
    ),
]


@pytest.mark.parametrize(("module", "inputs", "options", "ports"), PORTS)
def test_ports_of_a_model(module, inputs, options, ports) -> None:
    converted = t2k.convert(module, tuple(inputs), verify=False, **options)
    found = [*converted.inputs, *converted.outputs]
    assert [f"{p.name} {p.dtype} {p.torch_shape} {p.keras_shape} {p.order}" for p in found] == ports
    assert [tuple(i.shape) for i in converted.model.inputs] == [
        p.keras_shape for p in converted.inputs
    ]
    assert [tuple(o.shape) for o in converted.model.outputs] == [
        p.keras_shape for p in converted.outputs
    ]


def test_the_structure_of_the_module_comes_back() -> None:
    module = Function(lambda x, y: {"a": (x + y["k"], 7), "b": [x * 2, None]})
    x, y = torch.randn(2, 3), {"k": torch.randn(2, 3)}
    result = t2k.convert(module, (x, y))(x, y)
    assert result["a"][1] == 7
    assert result["b"][1] is None
    np.testing.assert_allclose(result["a"][0], (x + y["k"]).numpy(), rtol=1e-6)
    np.testing.assert_allclose(result["b"][0], (x * 2).numpy(), rtol=1e-6)
