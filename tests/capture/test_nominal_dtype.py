"""The floating type that a module is written for."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from torch2keras.capture.nominal_dtype import nominal_dtype

HALF, BRAIN, SINGLE, DOUBLE = torch.float16, torch.bfloat16, torch.float32, torch.float64


@pytest.mark.parametrize(
    ("kinds", "inputs", "wanted"),
    [
        ([SINGLE], [SINGLE], SINGLE),
        ([DOUBLE], [SINGLE], SINGLE),
        ([DOUBLE], [DOUBLE, torch.int64], DOUBLE),
        ([HALF], [torch.int32], HALF),
        ([HALF, BRAIN], [], BRAIN),
        ([], [torch.complex128], DOUBLE),
        ([torch.complex64], [HALF], SINGLE),
        ([], [torch.int64, torch.bool], SINGLE),
        ([], [], SINGLE),
    ],
)
def test_the_widest_single_type_counts(kinds, inputs, wanted):
    module = nn.Module()
    for number, kind in enumerate(kinds):
        module.register_buffer(f"b{number}", torch.ones(3).to(kind))
    tensors = [torch.ones(3).to(kind) for kind in inputs]
    assert nominal_dtype(module, tensors[:1], {"rest": [tensors[1:], None, 3]}) is wanted
