"""Functions of PyTorch that branch on values give the same numbers without branches."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch._C import TensorBase
from torch.export import Dim
from torch.nn.modules import transformer

from op_case import Case, check, function, module
from torch2keras.capture.branch_free import DETECT, SUBSTITUTES, BranchFree, corrcoef, cov, narrow


def whole(*shape: int):
    return lambda: torch.randint(0, 5, shape)


class Masked(nn.Module):
    """Attention with masks that PyTorch compares with a causal one."""

    def __init__(self) -> None:
        super().__init__()
        encoder = nn.TransformerEncoderLayer(12, 3, 17, batch_first=True)
        self.encoder = nn.TransformerEncoder(encoder, 2, enable_nested_tensor=False)
        self.decoder = nn.TransformerDecoder(
            nn.TransformerDecoderLayer(12, 2, 19, batch_first=True), 1
        )

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        causal = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        memory = self.encoder(x, causal)
        return memory, self.encoder(x, causal.mT), self.decoder(x, memory, mask)


CASES: dict[str, Case] = {
    "cov": function(
        lambda x: (torch.cov(x), torch.cov(x, correction=0), x.cov(correction=9)), (3, 7)
    ),
    "cov of one variable": function(torch.cov, (7,)),
    "cov, weighted": function(
        lambda x, f, a: (
            torch.cov(x, fweights=f % 5),
            torch.cov(x, aweights=a.abs()),
            torch.cov(x, fweights=f % 5, aweights=a.abs(), correction=2),
            torch.cov(x, fweights=f % 5, aweights=a.abs(), correction=0),
        ),
        (3, 7),
        whole(7),
        (7,),
    ),
    "corrcoef": function(lambda x: torch.corrcoef(x), (3, 7)),
    "corrcoef of one variable": function(lambda x: x.corrcoef(), (7,)),
    "masks of transformers": module(Masked, (2, 7, 12), (7, 7), dynamic_shapes=({0: Dim.AUTO}, {})),
    "narrow": function(
        lambda x, i: torch.narrow(x, 1, i.abs() % 3, 2), (2, 5, 7), lambda: torch.tensor(1)
    ),
    "narrow from the end": function(
        lambda x, i: x.narrow(2, -3 - i.abs() % 3, 2), (2, 5, 7), lambda: torch.tensor(4)
    ),
}


@pytest.mark.filterwarnings("ignore:cov")
@pytest.mark.parametrize("name", CASES)
def test_converts(name: str) -> None:
    converted = check(CASES[name])
    assert "of values" not in str(converted.report)
    assert "__bool__" not in vars(Tensor)
    assert torch.Tensor.__bool__ is TensorBase.__bool__
    assert vars(transformer)[DETECT].__module__ == transformer.__name__


X, COUNTS, WEIGHTS = torch.randn(3, 7), torch.arange(7) % 3, torch.rand(7)


@pytest.mark.filterwarnings("ignore:cov")
@pytest.mark.parametrize("x", [X, X[0]])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"correction": 0},
        {"correction": 9},
        {"fweights": COUNTS},
        {"aweights": WEIGHTS},
        {"fweights": COUNTS, "aweights": WEIGHTS, "correction": 2},
        {"fweights": COUNTS, "aweights": WEIGHTS, "correction": 0},
    ],
)
def test_covariances_are_those_of_pytorch(x: Tensor, options: dict[str, object]) -> None:
    torch.testing.assert_close(cov(x, **options), torch.cov(x, **options), equal_nan=True)


@pytest.mark.parametrize("x", [X, X[0]])
def test_correlations_are_those_of_pytorch(x: Tensor) -> None:
    torch.testing.assert_close(corrcoef(x), torch.corrcoef(x))


@pytest.mark.parametrize("start", [0, 2, -3, torch.tensor(2), torch.tensor(-3)])
def test_slices_are_those_of_pytorch(start: int | Tensor) -> None:
    assert torch.equal(narrow(X, 1, start, 3), torch.narrow(X, 1, start, 3))


def test_the_mode_takes_the_place_of_functions_and_methods() -> None:
    with BranchFree() as mode:
        assert not mode.found
        found = X.cov()
    assert mode.found
    torch.testing.assert_close(found, torch.cov(X))
    assert {substitute.__name__ for substitute in SUBSTITUTES.values()} == {
        "cov",
        "corrcoef",
        "narrow",
    }


def test_complex_numbers_are_left_to_pytorch() -> None:
    z = torch.randn(3, 7, dtype=torch.complex64)
    with BranchFree() as mode:
        found = torch.cov(z)
    assert not mode.found
    torch.testing.assert_close(found, torch.cov(z))


def test_the_comparison_of_masks_comes_back_after_an_error() -> None:
    own = getattr(transformer, DETECT)
    with pytest.raises(KeyError), BranchFree() as mode:
        assert getattr(transformer, DETECT)(torch.ones(3, 3)) is False
        assert getattr(transformer, DETECT)(torch.ones(3, 3), True) is True
        raise KeyError
    assert mode.found
    assert getattr(transformer, DETECT) is own
