"""What the arguments of `convert` and `inspect` ask for, and that both declare the same ones."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.conversion.request import RequestOptions, build_request

X = torch.randn(2, 3)
OPTIONS = [
    "dynamic_shapes",
    "layout",
    "capture",
    "state",
    "random",
    "dtype",
    "weights",
    "trust",
    "name",
    "progress",
]


def test_convert_and_inspect_show_the_shared_options():
    call = ["module", "args", "kwargs"]
    assert list(inspect.signature(t2k.convert).parameters) == [*call, "verify", *OPTIONS]
    assert list(inspect.signature(t2k.inspect).parameters) == [*call, *OPTIONS]
    for function in (t2k.convert, t2k.inspect):
        assert inspect.signature(function).parameters["layout"].default == "keras"


def test_the_type_of_the_options_has_each_of_them():
    assert sorted(RequestOptions.__annotations__) == sorted(OPTIONS)


@pytest.mark.parametrize("function", [t2k.convert, t2k.inspect])
def test_an_unknown_option_is_a_type_error(function):
    message = f"^{function.__name__}.. got an unexpected keyword argument 'layuot'$"
    with pytest.raises(TypeError, match=message):
        function(nn.ReLU(), X, layuot="keras")
    with pytest.raises(TypeError, match="missing a required argument: 'module'"):
        function()


def test_what_is_left_out_has_its_default():
    asked = build_request(nn.ReLU(), X)
    assert asked.args == (X,)
    assert (asked.layout, asked.trace, asked.name, asked.notes) == ("keras", False, "ReLU", ())


def test_a_name_and_a_mapping_are_taken():
    asked = build_request(nn.ReLU(), {"input": X}, name="rectifier")
    assert (asked.args, asked.name) == ((), "rectifier")
    assert asked.kwargs["input"] is X


def test_an_unknown_way_to_capture_is_refused():
    with pytest.raises(t2k.InputError, match="no way to capture is called 'script'"):
        build_request(nn.ReLU(), X, capture="script")


def test_an_unknown_thing_to_do_with_state_or_noise_is_refused():
    for option in ("state", "random"):
        message = f"nothing to do with {option} is called 'keep'"
        with pytest.raises(t2k.InputError, match=message) as raised:
            build_request(nn.ReLU(), X, **{option: "keep"})
        assert dict(raised.value.rows)["next"] == f'use {option}="refuse" or {option}="ports"'


def test_tracing_takes_no_dynamic_shapes():
    with pytest.raises(t2k.InputError, match="takes no dynamic_shapes"):
        build_request(nn.ReLU(), X, capture="trace", dynamic_shapes=({0: torch.export.Dim.AUTO},))
