"""An op is found under each name that PyTorch has for it."""

from __future__ import annotations

import pytest

import site_ops


@pytest.mark.parametrize(
    ("op", "names"),
    [
        ("aten.conv1d", {"F.conv1d", "torch.conv1d"}),
        ("aten.linalg_det", {"torch.linalg.det", "torch.det", "torch.Tensor.det"}),
        ("aten._linalg_det", {"torch.linalg.det", "torch.det"}),
        ("aten._softmax", {"F.softmax", "torch.softmax", "torch.Tensor.softmax"}),
        ("torch2keras.recurrent", set()),
    ],
)
def test_names(op, names):
    found = set(site_ops.list_python_names(op))
    assert names <= found
    assert bool(names) == bool(found)


def test_all_overloads_of_an_op_are_one_section_with_its_layers():
    entries = site_ops.list_entries({"aten.conv1d.default": ["Conv1d"]})
    (entry,) = [entry for entry in entries if entry.name == "aten.conv1d"]
    assert [row.op for row in entry.rows] == ["aten.conv1d.default", "aten.conv1d.padding"]
    section = site_ops.write_section(entry)
    assert section.startswith("## aten.conv1d { #aten-conv1d }\n")
    assert "`conv1d` in PyTorch: [nn.Conv1d](../layers/nn.Conv1d.md), `F.conv1d`" in section


def test_each_op_of_the_table_is_linked_to_its_section():
    entries = site_ops.list_entries({})
    index, families = site_ops.write_index(entries), site_ops.write_families(entries)
    assert index.count("\n| [") == len(entries)
    for entry in entries:
        assert f"[{entry.name}]({entry.family}.md#{entry.anchor})" in index
        assert f"{{ #{entry.anchor} }}" in families[entry.family]


def test_markdown_does_not_act_on_what_is_told():
    assert site_ops.escape("x * y_0 [a|b]") == r"x \* y\_0 \[a\|b\]"
