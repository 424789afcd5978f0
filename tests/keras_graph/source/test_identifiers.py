"""Identifiers are Python's, say what they are made from, and take no name that is ours."""

from __future__ import annotations

import keyword
import random
from itertools import islice

import pytest

from torch2keras.keras_graph.source.identifiers import (
    RESERVED,
    find_free_name,
    identifier,
    snake_case,
    yield_letters,
    yield_names,
)

IDENTIFIERS = {
    "conv": "conv",
    "Conv1": "conv",
    "conv1_2": "conv",
    "block_12_": "block",
    "layer1.0.conv2": "layer1_0_conv",
    "a  b--c": "a_b_c",
    "": "value",
    "12": "value",
    "1a": "v_1a_value",
    "class": "class_value",
    "match": "match_value",
    "print": "print_value",
    "name": "name_value",
    "Layers": "layers_value",
    "i": "i_value",
    "__init__": "init",
    "été": "t",
    "名前": "value",
}


@pytest.mark.parametrize("text", IDENTIFIERS)
def test_identifiers(text: str) -> None:
    assert identifier(text) == IDENTIFIERS[text]


SNAKES = {
    "BasicBlock": "basic_block",
    "MBConv": "mb_conv",
    "ViTLayer": "vi_t_layer",
    "MaxPooling1D": "max_pooling_1d",
    "Conv2d": "conv2d",
    "GPT2Block": "gpt2_block",
    "Print": "print_value",
}


@pytest.mark.parametrize("name", SNAKES)
def test_snake_case(name: str) -> None:
    assert snake_case(name) == SNAKES[name]


def test_ten_thousand_random_texts() -> None:
    draw = random.Random(0)
    signs = [*"abcXYZ012_ \n\"'\\{}().;#", "é", "名", "\ud800", "\0", "İ", "ﬁ", "²", "\u0661"]
    words = [*RESERVED, *signs]
    for _ in range(10_000):
        text = "".join(draw.choices(words if draw.random() < 0.2 else signs, k=draw.randint(0, 9)))
        for name in (identifier(text), snake_case(text)):
            assert name.isidentifier()
            assert name.isascii()
            assert name not in RESERVED
            assert not keyword.iskeyword(name)
            assert not name[-1].isdigit()
            assert identifier(name) == name


def test_letters_go_on() -> None:
    letters = list(islice(yield_letters(), 800))
    assert letters[:3] + letters[25:28] == ["a", "b", "c", "z", "aa", "ab"]
    assert letters[701:703] == ["zz", "aaa"]
    assert len(set(letters)) == 800


def test_free_names() -> None:
    assert list(islice(yield_names("conv"), 3)) == ["conv", "conv_a", "conv_b"]
    assert find_free_name("conv", ()) == "conv"
    assert find_free_name("conv", {"conv", "conv_a"}) == "conv_b"
