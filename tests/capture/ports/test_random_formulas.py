"""Each formula gives PyTorch's own numbers from a seed, and leaves the generator as it does."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from torch2keras.capture.ports.draws import record_draws
from torch2keras.capture.ports.random_formulas import FORMULAS

SHAPES = [(5,), (3, 7, 11)]
P = 0.3

ATTENTION = nn.MultiheadAttention(4, 2, dropout=P)

CALLS = {
    "randn": lambda x: torch.randn(*x.shape),
    "randn of a size": lambda x: torch.randn(size=x.shape, dtype=torch.float64),
    "rand": lambda x: torch.rand(x.shape),
    "randn_like": torch.randn_like,
    "rand_like": torch.rand_like,
    "randint": lambda x: torch.randint(7, x.shape),
    "randint of bounds": lambda x: torch.randint(-3, 7, size=tuple(x.shape), dtype=torch.int32),
    "randint_like": lambda x: torch.randint_like(x, 3, 9),
    "randint_like of one bound": lambda x: torch.randint_like(x, 9),
    "randperm": lambda x: torch.randperm(x.shape[-1]),
    "normal": lambda x: torch.normal(x, x.abs()),
    "normal around a number": lambda x: torch.normal(2.0, x.abs()),
    "normal of one width": lambda x: torch.normal(x, 2.0),
    "normal of numbers": lambda x: torch.normal(1.0, 2.0, tuple(x.shape)),
    "normal_": lambda x: torch.empty_like(x).normal_(2.0, 3.0),
    "normal_ by name": lambda x: torch.empty_like(x).normal_(std=3.0),
    "uniform_": lambda x: torch.empty_like(x).uniform_(-2.0, 3.0),
    "exponential_": lambda x: torch.empty_like(x).exponential_(2.0),
    "bernoulli": lambda x: torch.bernoulli(x.sigmoid()),
    "bernoulli of a number": lambda x: torch.bernoulli(x, 0.25),
    "bernoulli_": lambda x: torch.empty_like(x).bernoulli_(0.25),
    "multinomial": lambda x: torch.multinomial(x.reshape(-1, x.shape[-1]).softmax(-1), 1),
    "multinomial of several": lambda x: torch.multinomial(x.flatten().softmax(-1), 3),
    "multinomial, replaced": lambda x: torch.multinomial(x.flatten().softmax(-1), 1, True),
    "dropout": lambda x: functional.dropout(x, P),
    "dropout of channels": lambda x: functional.dropout1d(x.reshape(1, -1, 1), P),
    "gumbel": lambda x: functional.gumbel_softmax(x, 0.7),
    "attention": lambda x: ATTENTION(*[x.flatten()[:4, None] * torch.ones(4)] * 3)[0],
    "of a generator": lambda x: torch.randn(x.shape, generator=torch.Generator().manual_seed(5)),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("call", CALLS)
def test_a_formula_draws_as_pytorch_does(call, shape):
    x = torch.randn(shape)
    run = CALLS[call]
    torch.manual_seed(3)
    theirs, after = run(x), torch.get_rng_state()
    torch.manual_seed(3)
    with record_draws() as found:
        ours = run(x)
    assert found, "it was seen"
    assert ours.dtype == theirs.dtype
    assert torch.allclose(ours.double(), theirs.double(), rtol=1e-5, atol=1e-6)
    assert torch.equal(torch.get_rng_state(), after)


def test_each_formula_has_a_case():
    assert set(FORMULAS) <= {name.partition(" ")[0].rstrip(",") for name in CALLS} | {
        "feature_dropout"
    }


LEFT_ALONE = {
    "several with replacement": lambda x: torch.multinomial(x.abs() + 1, 4, replacement=True),
    "of many probabilities, in place": lambda x: torch.empty_like(x).bernoulli_(x.sigmoid()),
    "complex": lambda x: torch.randn(3, dtype=torch.complex64),
    "dropout in eval mode": lambda x: functional.dropout(x, P, training=False),
    "dropout of all": lambda x: functional.dropout(x, 1.0),
    "no random operation": torch.exp,
}


@pytest.mark.parametrize("call", LEFT_ALONE)
def test_what_has_no_formula_runs_as_it_is(call):
    x = torch.randn(5)
    torch.manual_seed(3)
    theirs = LEFT_ALONE[call](x)
    torch.manual_seed(3)
    with record_draws() as found:
        ours = LEFT_ALONE[call](x)
    assert torch.equal(ours, theirs)
    assert found == []
