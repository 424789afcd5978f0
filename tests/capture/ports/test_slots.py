"""A slot holds given values during a call, and says what stands there afterwards."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_buffer_registration_hook
from torch.utils import _pytree as pytree

from streams import ROWS, Cells, EveryOther, Window, make
from torch2keras.capture.ports.module_ports import StatePort
from torch2keras.capture.ports.places import MISSING, find_attribute_places
from torch2keras.capture.ports.slots import ModulePorts, OtherKindError, StateSlot


def make_slot(module, path, value, names, *, is_number=False):
    leaves, spec = pytree.tree_flatten(value)
    ports = {}
    for position, name in enumerate(names):
        example = torch.as_tensor(leaves[position])
        ports[position] = StatePort(name, name, example, example, is_number=is_number)
    return StateSlot(find_attribute_places(module)[path], tuple(leaves), spec, ports)


def test_a_call_leaves_the_module_as_it_was():
    module = make(Cells)
    held = module.hidden
    slot = make_slot(module, "hidden", {0: ROWS * 0, 1: ROWS * 0}, ["a", "b"])
    ports = ModulePorts(module, (slot,))
    given = {"a": ROWS, "b": ROWS + 1}
    _, new = ports.call(given, ((ROWS,), {}))
    assert module.hidden is held == {}
    assert list(new) == ["a", "b"]
    assert torch.equal(new["a"], module.cells[0](ROWS, ROWS))
    assert torch.equal(given["a"], ROWS), "what is given is not written to"


def test_a_place_that_was_empty_is_empty_again():
    module = make(Cells)
    slot = make_slot(module, "hidden", {0: ROWS}, ["a"])
    del module.hidden
    ModulePorts(module, (slot,)).wrap_module()
    slot.fill({"a": ROWS})
    assert torch.equal(module.hidden[0], ROWS)
    slot.place.write(MISSING)
    assert not hasattr(module, "hidden")


def test_a_number_comes_and_goes_as_a_tensor():
    module = make(EveryOther)
    ports = ModulePorts(module, (make_slot(module, "step", 4, ["step"], is_number=True),))
    y, new = ports.call({"step": torch.tensor(3)}, ((ROWS,), {}))
    assert torch.equal(y, ROWS)
    assert new["step"] == 4
    assert module.step == 0


def test_another_structure_is_an_error():
    module = make(Window)
    ports = ModulePorts(module, (make_slot(module, "window", [ROWS], ["a"]),))
    with pytest.raises(OtherKindError, match="window has taken another structure"):
        ports.call({"a": ROWS}, ((ROWS,), {}))
    assert len(module.window) == 0


def test_an_assigned_buffer_is_no_registration():
    class Assigns(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("h", torch.zeros(2, 3))

        def forward(self, x):
            self.h = self.h + x
            return self.h

    module = Assigns()
    ports = ModulePorts(module, (make_slot(module, "h", module.h, ["h"]),))
    told = []
    handle = register_module_buffer_registration_hook(lambda *told_of: told.append(told_of))
    try:
        ports.call({"h": ROWS}, ((ROWS,), {}))
    finally:
        handle.remove()
    assert told == []


def test_states_that_are_not_needed_are_left_out():
    module = make(Cells)
    slot = make_slot(module, "hidden", {0: ROWS, 1: ROWS}, ["a", "b"])
    ports = ModulePorts(module, (slot,)).keep_needed(["b"])
    assert list(ports.initial_state) == ["b"]
    _, new = ports.call({"b": ROWS}, ((ROWS,), {}))
    assert list(new) == ["b"]
    none = ports.keep_needed([]).wrap_module()
    assert isinstance(none(ROWS), torch.Tensor)
    assert module.hidden == {}
    assert ModulePorts(module).wrap_module() is module
