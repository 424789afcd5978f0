"""Layouts as a map, as data, and as a table."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import pytest

import torch2keras as t2k
from torch2keras.distribution.layouts import DividedVariable, Layouts

MESH = {"batch": 2, "model": 4}


def make_layouts(*variables: DividedVariable) -> Layouts:
    return Layouts(MESH, None, variables)


KERNEL = DividedVariable("block_1.up/kernel", (8, 16), (None, "model"), "by outputs")
OTHER = DividedVariable("block_2.up/kernel", (8, 16), (None, "model"), "by outputs")
GAMMA = DividedVariable("norm/gamma", (8,), (None,), "whole")


def test_keras_takes_it_and_finds_layouts_by_path() -> None:
    layouts = make_layouts(KERNEL, GAMMA)
    assert isinstance(layouts, keras.distribution.LayoutMap)
    assert layouts[KERNEL.path].axes == (None, "model")
    assert layouts[GAMMA.path] is None


def test_a_path_is_no_pattern_for_others() -> None:
    layouts = make_layouts(KERNEL)
    assert layouts["block_1xup/kernel"] is None
    assert layouts["my/block_1.up/kernel"] is None


def test_the_share_is_that_of_all_elements() -> None:
    assert make_layouts(KERNEL, GAMMA).share == pytest.approx((128 / 4 + 8) / 136)
    assert make_layouts().share == 1


def test_data_is_what_is_divided(tmp_path: Path) -> None:
    layouts = make_layouts(KERNEL, GAMMA)
    assert layouts.axes == {KERNEL.path: (None, "model")}
    path = layouts.save(tmp_path / "net.json")
    assert json.loads(path.read_text("utf-8")) == {KERNEL.path: [None, "model"]}


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(t2k.OutputError):
        make_layouts(KERNEL).save(tmp_path / "none" / "net.json")


def test_printed_it_is_a_table_with_one_row_for_what_is_alike() -> None:
    layouts = make_layouts(KERNEL, OTHER, GAMMA)
    assert str(layouts).splitlines() == [
        "mesh (batch: 2, model: 4); each device holds 27.3 % of the weights",
        "",
        "variable               shape   layout    how",
        "block_*.up/kernel (2)  8 x 16  -, model  by outputs",
        "norm/gamma             8       -         whole",
    ]
    assert repr(layouts) == "<Layouts mesh={'batch': 2, 'model': 4}, 2 of 3 variables divided>"
