"""Which values share memory; what becomes of them after a write is tested in test_functionalize."""

from __future__ import annotations

import pytest
import torch
from torch import fx

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.aliases import Aliases
from torch2keras.fx_passes.fake_values import fake_mode_of

aten = torch.ops.aten


class Given:
    """A graph that is being read, and the aliases of its values in a new one."""

    def __init__(self):
        self.graph, self.new = fx.Graph(), fx.Graph()
        self.mode = fake_mode_of(self.graph)
        self.aliases = Aliases(self.new, self.mode)

    def place(self, name, value):
        node = self.graph.placeholder(name)
        node.meta["val"] = (
            value if isinstance(value, torch.Tensor) else self.mode.from_tensor(*value)
        )
        self.aliases.define(node)
        return node

    def call(self, op, *args):
        node = self.graph.call_function(op, args)
        values = fx.node.map_arg(args, lambda each: each.meta["val"])
        with self.mode:
            node.meta["val"] = op(*values)
        self.aliases.define(node)
        return node

    def write(self, node):
        """Write the negative of a value to it."""
        value = self.new.call_function(aten.neg.default, (self.aliases.read(node),))
        value.meta["val"] = node.meta["val"]
        self.aliases.write(node, value)

    def run(self, outputs, *tensors):
        self.new.output(tuple(map(self.aliases.read, outputs)))
        return fx.GraphModule({}, self.new)(*tensors)


X = torch.arange(15.0).reshape(3, 5)


def test_the_root_is_what_made_the_storage():
    given = Given()
    x = given.place("x", (X,))
    y = given.call(aten.mul.Tensor, x, 2)
    view = given.call(aten.select.int, given.call(aten.permute.default, y, [1, 0]), 0, 1)
    assert given.aliases.root(view) is y
    assert given.aliases.root(given.call(aten.clone.default, view)) is not y
    assert given.aliases.root(x) is x


def test_a_write_reaches_every_alias_and_no_copy():
    given = Given()
    y = given.call(aten.mul.Tensor, given.place("x", (X,)), 2)
    row = given.call(aten.select.int, y, 0, 1)
    column = given.call(aten.select.int, y, 1, 3)
    kept = given.call(aten.clone.default, row)
    given.write(row)
    ours = given.run([y, row, column, kept], X)
    theirs = 2 * X
    before = theirs[1].clone()
    theirs[1] *= -1
    for found, wanted in zip(ours, (theirs, theirs[1], theirs[:, 3], before), strict=True):
        assert torch.equal(found, wanted)


def test_a_value_is_made_anew_only_after_a_write_to_its_memory():
    given = Given()
    x = given.place("x", (X,))
    y, other = given.call(aten.mul.Tensor, x, 2), given.call(aten.mul.Tensor, x, 3)
    row, of_other = given.call(aten.select.int, y, 0, 1), given.call(aten.select.int, other, 0, 1)
    before, before_of_other = given.aliases.read(row), given.aliases.read(of_other)
    given.write(y)
    assert given.aliases.read(of_other) is before_of_other
    after = given.aliases.read(row)
    assert after is not before
    assert given.aliases.read(row) is after


def test_a_value_that_is_reshaped_in_place_is_a_view_of_itself():
    given = Given()
    y = given.call(aten.mul.Tensor, given.place("x", (X,)), 2)
    node = given.graph.call_function(aten.t_.default, (y,))
    node.meta["val"] = y.meta["val"].mT
    given.aliases.reshape_in_place(node, y, aten.t.default)
    given.write(given.call(aten.select.int, node, 0, 4))
    theirs = 2 * X.mT
    theirs[4] *= -1
    assert all(torch.equal(found, theirs) for found in given.run([y, node], X))


def test_inputs_of_one_memory_are_refused_where_one_is_written():
    given = Given()
    x = given.place("x", (X,))
    y = given.place("y", x.meta["val"].view(5, 3))
    given.write(x)
    with pytest.raises(UnsupportedOpError, match="shares memory with another input"):
        given.aliases.read(y)


def test_strides_of_a_written_value_are_refused():
    given = Given()
    y = given.call(aten.mul.Tensor, given.place("x", (X,)), 2)
    given.write(y)
    with pytest.raises(UnsupportedOpError, match="as_strided"):
        given.call(aten.as_strided.default, y, [3], [5])
