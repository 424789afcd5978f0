"""Descriptions of programs, walked along PyTorch's schema."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
from torch._export.serde import schema

import hostile_programs as hostile
from torch2keras.exported_files.fields import FORMS, METADATA, REFUSED, find_fault


@pytest.fixture(scope="module")
def description():
    records = hostile.read_records(hostile.export_clean())
    return json.loads(records[hostile.MODEL])


def test_what_pytorch_writes_has_no_fault(description):
    assert find_fault(schema.ExportedProgram, description) is None


def leaves_of(data, place=()):
    """Every place of a description that holds a text or a number."""
    if isinstance(data, dict | list):
        for key in data if isinstance(data, dict) else range(len(data)):
            yield from leaves_of(data[key], (*place, key))
    elif data is not None:
        yield place


def test_no_text_is_taken_for_a_bait(description):
    """A text that is code is a fault wherever it stands, but where people alone read it."""
    text = json.dumps(description)
    found = 0
    for place in leaves_of(description):
        if METADATA.keys() & set(place):
            continue
        changed = json.loads(text)
        parent = changed
        for key in place[:-1]:
            parent = parent[key]
        parent[place[-1]] = "__import__('os').getcwd()"
        assert find_fault(schema.ExportedProgram, changed) is not None, place
        found += 1
    assert found > 200


def test_each_form_is_one_of_the_schema():
    for name, field in FORMS:
        assert field in {one.name for one in dataclasses.fields(getattr(schema, name))} or (
            field in typing.get_type_hints(getattr(schema, name))
        )
    assert all(hasattr(schema, name) for name in REFUSED)


@pytest.mark.parametrize(
    ("cls", "data", "place"),
    [
        ("TensorArgument", {"name": 3}, "name"),
        ("TensorArgument", {"nom": "x"}, "nom"),
        ("TensorArgument", [], ""),
        ("Argument", {"as_int": True}, "as_int"),
        ("Argument", {"as_int": 2**64}, "as_int"),
        ("Argument", {"as_ints": 3}, "as_ints"),
        ("Argument", {"as_float": "x"}, "as_float"),
        ("Argument", {"as_int": 1, "as_bool": True}, ""),
        ("Argument", {"as_custom_obj": {"name": "x", "class_fqn": "y"}}, "as_custom_obj"),
        ("Argument", {"as_operator": "torch.load"}, "as_operator"),
        ("Device", {"type": "cuda"}, "type"),
        ("Node", {"metadata": {"hook": "x"}}, "metadata.hook"),
        ("Node", {"metadata": {"custom": "{"}}, "metadata.custom"),
        ("Graph", {"tensor_values": {"a b": {}}}, "tensor_values"),
        ("Graph", {"custom_obj_values": {"a": {}}}, "custom_obj_values"),
    ],
)
def test_faults_have_their_place(cls, data, place):
    fault = find_fault(getattr(schema, cls), data)
    assert fault is not None
    assert fault.place == place


@pytest.mark.parametrize("value", [1, -0.5, "Infinity", "-Infinity", "NaN"])
def test_numbers_of_every_spelling_are_taken(value):
    assert find_fault(schema.Argument, {"as_float": value}) is None


def test_a_description_without_end_is_refused():
    nest = {"as_int": 1}
    for _ in range(300):
        nest = {"as_string_to_argument": {"a": nest}}
    assert find_fault(schema.Argument, nest) is not None
