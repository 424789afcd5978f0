"""Random inputs are of their distributions, and once those that the module draws itself."""

from __future__ import annotations

import pytest
import torch

import torch2keras as t2k
from noisy import NOISY, ROWS, Autoencoder, Masks, SampledKeys, make
from torch2keras.capture.ports.random_formulas import UNIFORM
from torch2keras.errors import VerificationError
from torch2keras.verification.input_sets import example_tensors
from torch2keras.verification.noise_inputs import (
    OWN_NUMBERS,
    draw_anew,
    find_draws,
    record_own_numbers,
)


def convert(cls, **options):
    return t2k.convert(make(cls), NOISY[cls][0], random="ports", **options)


@pytest.fixture(scope="module")
def masks():
    return convert(Masks, verify=False).conversion


def test_the_draws_stand_behind_the_inputs(masks):
    assert find_draws(masks) == slice(1, 4)


def test_what_is_drawn_anew_is_of_its_distribution(masks):
    example = example_tensors(masks)
    x, uniform, mask, _ = draw_anew(masks, [tensor * 0 + 7 for tensor in example], 3)
    assert (x == 7).all()
    assert ((uniform >= 0) & (uniform < 1)).all()
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    again = draw_anew(masks, example, 3)
    assert torch.equal(again[1], uniform)
    assert not torch.equal(draw_anew(masks, example, 4)[1], uniform)


def test_integers_keep_to_their_bounds():
    conversion = convert(SampledKeys, verify=False).conversion
    _, sample = draw_anew(conversion, example_tensors(conversion), 0)
    assert sample.dtype == torch.int64
    assert 0 <= int(sample.min()) <= int(sample.max()) < 7


def test_the_modules_own_numbers_are_recorded():
    conversion = convert(Autoencoder, verify=False).conversion
    (x, noise), outputs = record_own_numbers(conversion, example_tensors(conversion))
    module = conversion.ports.module
    mean, log_variance = module.encode(x).chunk(2, -1)
    code = mean + torch.exp(0.5 * log_variance) * noise
    assert torch.allclose(torch.from_numpy(outputs[0]), module.decode(code), atol=1e-6)
    assert torch.equal(x, ROWS)


def test_verification_uses_them():
    verified = convert(Autoencoder).report.verified
    assert OWN_NUMBERS in [probe for probe, _ in verified.probes]


def test_a_model_that_takes_other_numbers_is_found(monkeypatch):
    """The recorded numbers are exchanged, so that the model is not given the module's own."""
    from torch2keras.verification import input_sets

    def exchange(conversion, tensors):
        given, outputs = record_own_numbers(conversion, tensors)
        place = find_draws(conversion).start
        other = UNIFORM.draw(tuple(given[place].shape), given[place].dtype)
        return (*given[:place], other, *given[place + 1 :]), outputs

    monkeypatch.setattr(input_sets, "record_own_numbers", exchange)
    with pytest.raises(VerificationError) as raised:
        convert(Autoencoder)
    assert OWN_NUMBERS in dict(raised.value.rows)["probe"]
