"""Modules that check the values of a tensor, and those for which values decide more than whether they raise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from torch._C import TensorBase
from torch.export import Dim
from torch.nn.modules import transformer

import torch2keras as t2k
from op_case import Case, Function, check, function, module
from torch2keras.capture.branch_free import DETECT


def raising(x: Tensor) -> Tensor:
    if torch.isnan(x).any():
        raise ValueError(f"not a number: {x}")
    assert (x.abs() >= 0).all()
    return F.relu(x)


def otherwise(x: Tensor) -> Tensor:
    return x + 1 if x.sum() > 0 else x


def later(x: Tensor) -> Tensor:
    if x.sum() > 1e9:
        x = x.reshape(1)
    return x * 2


def caught(x: Tensor) -> Tensor:
    try:
        return raising(x)
    except ValueError:
        return x


def whole(*shape: int):
    return lambda: torch.randint(0, 5, shape)


class Masked(nn.Module):
    """Attention with masks that PyTorch compares with a causal one: one that is, one that is not, and an input."""

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


CHECKED: dict[str, Case] = {
    "raise and assert": function(raising, (2, 3, 7)),
    "between layers": function(lambda x, w: raising(F.conv1d(x, w)).mean(1), (2, 3, 13), (5, 3, 3)),
    "gaussian_nll_loss": function(
        lambda x, y, v: F.gaussian_nll_loss(x, y, v.exp(), full=True), (3, 5), (3, 5), (3, 5)
    ),
}
RESTATED: dict[str, Case] = {
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
@pytest.mark.parametrize("name", {**CHECKED, **RESTATED})
def test_converts(name: str) -> None:
    converted = check({**CHECKED, **RESTATED}[name])
    assert ("of values" in str(converted.report)) == (name in CHECKED)
    assert "__bool__" not in vars(Tensor)
    assert torch.Tensor.__bool__ is TensorBase.__bool__
    assert vars(transformer)[DETECT].__module__ == transformer.__name__


@pytest.mark.parametrize("call", [otherwise, later, caught])
def test_what_values_decide_is_refused(call) -> None:
    with pytest.raises(t2k.CaptureError, match="depends on the values"):
        t2k.convert(Function(call), (torch.randn(2, 3, 7),))


def test_the_batch_stays_dynamic() -> None:
    converted = t2k.convert(Function(raising), (torch.randn(2, 3, 7),))
    assert converted.model.input_shape[0] is None
    x = torch.randn(5, 3, 7)
    assert abs(converted(x) - F.relu(x).numpy()).max() == 0
