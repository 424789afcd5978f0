"""The deployment table: forms that fit their ops, beside all other lowerings."""

from __future__ import annotations

import pytest
import torch

from torch2keras.declarations.registry import registry
from torch2keras.deployment_forms.table import FORMS, deployment_lowerings, form

aten = torch.ops.aten


def test_form_takes_the_place_of_the_lowering_alone() -> None:
    chosen = deployment_lowerings()
    assert set(chosen) == set(registry.lowerings)
    for op, lowering in registry.lowerings.items():
        assert (chosen[op].torch, chosen[op].keras) == (lowering.torch, lowering.keras)
        if op in FORMS:
            assert chosen[op].convert is FORMS[op]
        else:
            assert chosen[op] is lowering


def test_form_of_other_arguments_is_refused() -> None:
    def convert(x, size):
        return x

    with pytest.raises(TypeError, match="convert takes"):
        form(aten.relu.default)(convert)
    assert aten.relu.default not in FORMS
