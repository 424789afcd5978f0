"""Example inputs as they are written on the command line."""

from __future__ import annotations

import pytest
import torch
from torch.export import Dim

from torch2keras.cli.input_shapes import (
    InputShape,
    build_dynamic_shapes,
    build_example,
    parse_plain_shape,
    parse_shape,
)
from torch2keras.errors import InputError

PARSED = [
    ("2,3,17", InputShape((2, 3, 17), (None, None, None))),
    ("2, 3,17:float64", InputShape((2, 3, 17), (None, None, None), "float64")),
    ("7:int64", InputShape((7,), (None,), "int64")),
    ("2,1,length=17", InputShape((2, 1, 17), (None, None, "length"))),
    ("n=2,l=11:bool", InputShape((2, 11), ("n", "l"), "bool")),
    ("scalar", InputShape((), ())),
    ("scalar:int32", InputShape((), (), "int32")),
    ("0,3", InputShape((0, 3), (None, None))),
    ("mask:2,3:int64", InputShape((2, 3), (None, None), "int64", "mask")),
    ("x:n=2,3", InputShape((2, 3), ("n", None), "float32", "x")),
]

REFUSED = [
    "",
    ",",
    "2,,3",
    "2x3",
    "-1,3",
    "2,3.5",
    "2,3:float33",
    "x:",
    "x:y",
    "x:2,3:float33",
    "2,3:",
    "2,=3",
    "2,a b=3",
    "2,3,",
    "(2,3)",
    "2,٣",
]


@pytest.mark.parametrize(("text", "shape"), PARSED, ids=[text for text, _ in PARSED])
def test_parse(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(InputError, match="next"):
        parse_shape(text)


@pytest.mark.parametrize("text", ["2,n=3", "2,3:float32", "2;3"])
def test_plain_shapes_have_sizes_alone(text):
    with pytest.raises(InputError, match="next"):
        parse_plain_shape(text)
    assert parse_plain_shape("2,3,5") == (2, 3, 5)


def test_examples_have_the_shapes_and_dtypes_and_are_the_same_each_time():
    shapes = [
        parse_shape(t) for t in ("2,3,5", "2,7:int64", "11:bool", "3:bfloat16", "scalar:float64")
    ]
    (first, _), (second, _) = build_example(shapes), build_example(shapes)
    assert [(tuple(t.shape), str(t.dtype)) for t in first] == [
        ((2, 3, 5), "torch.float32"),
        ((2, 7), "torch.int64"),
        ((11,), "torch.bool"),
        ((3,), "torch.bfloat16"),
        ((), "torch.float64"),
    ]
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert set(first[1].flatten().tolist()) == {0, 1}


def test_nothing_named_leaves_the_choice_to_the_capture():
    assert build_dynamic_shapes([parse_shape("2,3,5")]) is None


def test_a_name_makes_a_size_dynamic_and_the_batch_stays_automatic():
    assert build_dynamic_shapes([parse_shape("2,3,length=5"), parse_shape("2,7")]) == (
        {0: Dim.AUTO, 2: Dim.DYNAMIC},
        {0: Dim.AUTO},
    )


def test_named_inputs_are_keywords():
    shapes = [parse_shape("y:2,l=3"), parse_shape("x:2,5:int64")]
    args, kwargs = build_example(shapes)
    assert args == ()
    assert [tuple(t.shape) for t in kwargs.values()] == [(2, 3), (2, 5)]
    assert build_dynamic_shapes(shapes) == {"y": {0: Dim.AUTO, 1: Dim.DYNAMIC}, "x": {0: Dim.AUTO}}
    with pytest.raises(InputError, match="name them all"):
        build_example([parse_shape("2,3"), parse_shape("x:2,3")])
