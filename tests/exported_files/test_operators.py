"""What a program of a stranger's may call."""

from __future__ import annotations

import pytest
import torch

from torch2keras.exported_files.operators import AROUND_BLOCKS, PRIVATE, SIZES, is_operator


@pytest.mark.parametrize(
    "target",
    [
        "torch.ops.aten.conv1d.default",
        "torch.ops.aten.add.Tensor",
        "torch.ops.aten._to_copy.default",
        "_operator.mul",
        "torch.sym_max",
        "torch.ops.higher_order.wrap_with_set_grad_enabled",
    ],
)
def test_operators_of_programs_are_taken(target):
    assert is_operator(target)


@pytest.mark.parametrize(
    "target",
    [
        "torch.load",
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.ops.aten.__class__",
        "torch.ops.aten.add",
        "torch.ops.aten.add.__init__",
        "torch.ops.aten.add.nothing",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten._index_put_impl_.default",
        "torch.ops.image.read_file.default",
        "torch.ops.higher_order.cond",
        "_operator.methodcaller",
        "math.factorial",
        "#x:y",
        "",
    ],
)
def test_all_else_is_refused(target):
    assert not is_operator(target)


@pytest.mark.parametrize("name", sorted(PRIVATE))
def test_private_operators_are_there(name):
    assert getattr(torch.ops.aten, name).overloads()


@pytest.mark.parametrize("target", sorted(SIZES | AROUND_BLOCKS))
def test_listed_functions_are_what_pytorch_finds(target):
    from torch._export.serde.serialize import GraphModuleDeserializer

    assert callable(GraphModuleDeserializer().deserialize_operator(target))
