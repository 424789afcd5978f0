"""Which modules are the blocks of a model."""

from __future__ import annotations

from itertools import count

from source_graphs import Maker
from torch2keras.keras_graph.source.lines import make_lines
from torch2keras.keras_graph.source.remarks.boundaries import BlockFinder, path_of

CLASSES = {
    "": "Net",
    "stem": "Stem",
    "body": "Body",
    "body.layers": "Sequential",
    "body.layers.0": "Block",
    "body.layers.0.conv": "Conv1d",
    "body.layers.1": "Block",
    "head": "Linear",
}


def make() -> Maker:
    maker = Maker()
    x = maker.layer("Dense", 0, "stem", units=8)
    for place in range(2):
        for name in ("conv", "norm"):
            x = maker.layer("Dense", x, f"body.layers.{place}.{name}", units=8)
        x = maker.op("tanh", x, path=f"body.layers.{place}")
    maker.layer("Dense", x, "head", units=3)
    return maker


def test_a_block_is_the_outermost_module_that_is_not_most_of_the_model() -> None:
    blocks = BlockFinder(make().calls, CLASSES)
    found = {path: blocks.find_block(path) for path in ("stem", "body.layers.1.norm", "head")}
    assert found == {"stem": "stem", "body.layers.1.norm": "body.layers.1", "head": "head"}
    assert blocks.find_block("body") == "body"
    assert blocks.find_block("") == ""


def test_lines_have_the_class_of_the_module_that_most_of_them_are_of() -> None:
    maker = make()
    blocks = BlockFinder(maker.calls, CLASSES)
    lines = [line for group in make_lines(maker.calls, count(100)) for line in group]
    assert blocks.find_class(lines[1:4]) == "Block"
    assert blocks.find_class(lines[1:7]) == "Body"
    assert blocks.find_class(lines) == "Body"
    assert blocks.find_class(lines[:2]) == ""


def test_the_path_of_an_item_is_that_of_its_module() -> None:
    lines = [line for group in make_lines(make().calls, count(100)) for line in group]
    assert path_of(lines[2]) == "body.layers.0.norm"
