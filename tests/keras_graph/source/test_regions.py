"""Lines are grouped by the modules that they come from."""

from __future__ import annotations

from torch2keras.keras_graph.source.lines import Line, Read
from torch2keras.keras_graph.source.regions import Region, group_by_module, sort_classes

CLASSES = {
    "": "Net",
    "a": "Block",
    "a.list": "ModuleList",
    "a.list.0": "Inner",
    "a.list.0.x": "Dense",
    "b": "Block",
    "b.x": "Dense",
    "c": "Leaf",
}


def make_lines(*paths: str) -> list[Line]:
    return [Line(Read(0), [], [place], [place + 1], path) for place, path in enumerate(paths)]


def tree(region: Region) -> list:
    return [
        (item.path, item.cls, tree(item)) if isinstance(item, Region) else item.path
        for item in region.items
    ]


def test_groups() -> None:
    paths = ["", "a", "a.list.0", "a.list.0.x", "a.list.0", "b.x", "b", "a"]
    root = group_by_module(make_lines(*paths), CLASSES)
    inner = ("a.list.0", "Inner", ["a.list.0", "a.list.0.x", "a.list.0"])
    wanted = [
        "",
        ("a", "Block", ["a", inner]),
        ("b", "Block", ["b.x", "b"]),
        ("a", "Block", ["a"]),
    ]
    assert tree(root) == wanted
    assert [line.path for line in root.lines()] == paths
    assert [region.path for region in root.regions()] == ["a.list.0", "a", "b", "a"]


def test_a_leaf_with_many_lines_is_a_region() -> None:
    assert tree(group_by_module(make_lines("c", "c", "c"), CLASSES)) == ["c", "c", "c"]
    many = group_by_module(make_lines(*"cccc"), CLASSES)
    assert tree(many) == [("c", "Leaf", ["c"] * 4)]


def test_without_classes_all_is_one_region() -> None:
    assert tree(group_by_module(make_lines("a", "b"), {})) == ["a", "b"]


def test_classes_stand_behind_those_that_they_hold() -> None:
    inner = Region("a.b", "Inner")
    root = Region("", "", [Region("a", "Outer", [inner, Region("a.c", "Outer")])])
    assert sort_classes(root) == ["Inner", "Outer", ""]


def test_classes_that_hold_each_other() -> None:
    one = Region("a", "One", [Region("a.b", "Two", [Region("a.b.c", "One")])])
    assert sorted(sort_classes(Region("", "", [one]))) == ["", "One", "Two"]
