"""The dtypes that operands are cast to, against PyTorch itself."""

from __future__ import annotations

import pytest
import sympy
import torch

from stages import graph_of
from torch2keras.graph.ir import TensorType, Value
from torch2keras.keras_graph.graph import Input
from torch2keras.lower.recorder import Recorder, record_to
from torch2keras.lower.type_promotion import promote_arguments, result_dtype

INTEGERS = (torch.bool, torch.uint8, torch.int32, torch.int64)
DTYPES = (*INTEGERS, torch.float16, torch.bfloat16, torch.float32)


def value(dtype: torch.dtype, *shape: int) -> Value:
    return Value("v", TensorType(shape, dtype))


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_two_values_have_the_type_that_pytorch_gives_them(first, second, shape) -> None:
    expected = torch.result_type(torch.zeros(2, 3, dtype=first), torch.zeros(shape, dtype=second))
    assert result_dtype([value(first, 2, 3), value(second, *shape)]) == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("number", [True, 3, 0.5])
def test_a_number_counts_less_than_a_value(dtype, number) -> None:
    assert result_dtype([value(dtype, 3), number]) == torch.result_type(
        torch.zeros(3, dtype=dtype), number
    )
    assert result_dtype([number, value(dtype, 3)]) == result_dtype([value(dtype, 3), number])


def test_a_symbolic_size_counts_as_an_integer() -> None:
    size = sympy.Symbol("s0", integer=True, positive=True)
    assert result_dtype([value(torch.float16, 3), size]) == torch.float16
    assert result_dtype([value(torch.bool, 3), size]) == torch.int64


def promoted(function, *dtypes: torch.dtype) -> list[str]:
    """The dtypes of the operands of the function's last op, promoted."""
    inputs = tuple(torch.ones(2, 3, dtype=dtype) for dtype in dtypes)
    (node,) = graph_of(function, *inputs).nodes
    names = tuple(
        Input(f"x{i}", (2, 3), str(d).removeprefix("torch.")) for i, d in enumerate(dtypes)
    )
    with record_to(Recorder(names, "float32")) as recorder:
        operands = iter(recorder.tensors)
        given = [next(operands) if isinstance(a, Value) else a for a in node.args.values()]
        return [getattr(a, "dtype", a) for a in promote_arguments(node, given)]


def test_operands_are_cast_to_the_result_s_type() -> None:
    assert promoted(torch.add, torch.int32, torch.float32) == ["float32", "float32", 1]


def test_operands_of_a_comparison_are_cast_to_their_common_type() -> None:
    assert promoted(torch.lt, torch.int32, torch.float32) == ["float32", "float32"]


def test_a_condition_keeps_its_type() -> None:
    kinds = promoted(torch.where, torch.bool, torch.int32, torch.float32)
    assert kinds == ["bool", "float32", "float32"]
