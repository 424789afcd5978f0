"""What state_dict says to do about a trained weight that it cannot give back, done."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

import torch2keras as t2k


class Softplus(nn.Module):
    """A kernel that is computed from a parameter in each call."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 4) * 0.4)

    def forward(self, x):
        return F.linear(x, F.softplus(self.w))


def fine_tune(converted: t2k.Converted) -> None:
    """Change all weights, as training does."""
    generator = np.random.default_rng(0)
    for variable in converted.model.trainable_weights:
        values = np.asarray(variable)
        variable.assign(values + generator.normal(size=values.shape).astype("float32") * 0.3)


def pruned() -> nn.Module:
    from torch.nn.utils import prune

    return prune.random_unstructured(nn.Linear(3, 5), "weight", amount=4)


# the module, and what its message says to do before converting
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "spectral norm": (
        lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(3, 5)),
        'torch.nn.utils.parametrize.remove_parametrizations(module, "weight")',
    ),
    "spectral norm within": (
        lambda: nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(3, 5))),
        'torch.nn.utils.parametrize.remove_parametrizations(module.get_submodule("0"), "weight")',
    ),
    "pruned": (pruned, 'torch.nn.utils.prune.remove(module, "weight")'),
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("name", REFUSED)
def test_the_advice_for_a_trained_product_works(name: str) -> None:
    torch.manual_seed(0)
    build, advice = REFUSED[name]
    module, x = build().eval(), torch.randn(2, 3)
    converted = t2k.convert(module, x)
    fine_tune(converted)
    with pytest.raises(t2k.InputError) as raised:
        converted.state_dict()
    assert advice in str(raised.value)
    eval(advice, {"torch": torch, "module": module})  # noqa: S307 - what the message says
    converted = t2k.convert(module, x)
    fine_tune(converted)
    module.load_state_dict(converted.state_dict())
    assert np.allclose(converted(x), module(x).detach().numpy(), atol=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("is_spectral", [False, True])
def test_the_advice_for_another_computed_weight_works(*, is_spectral: bool) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 4)
    if is_spectral:
        module = nn.utils.spectral_norm(nn.Linear(4, 4, bias=False)).eval()
        module(x)  # computes the weight
        computed = module.weight.detach()
    else:
        module = Softplus().eval()
        computed = F.softplus(module.w.detach())
    converted = t2k.convert(module, x)
    fine_tune(converted)
    with pytest.raises(t2k.InputError, match="whose parameter is the computed weight itself"):
        converted.state_dict()
    plain = nn.Linear(4, 4, bias=False)
    plain.weight = nn.Parameter(computed)
    plainly = t2k.convert(plain, x)
    fine_tune(plainly)
    assert np.allclose(converted(x), plainly(x), atol=1e-6)
    plain.load_state_dict(plainly.state_dict())
    assert np.allclose(plainly(x), plain(x).detach().numpy(), atol=1e-6)
