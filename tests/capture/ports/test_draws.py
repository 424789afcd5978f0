"""What is drawn in one run can be given to another, all of it, in its order and sizes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from torch2keras.capture.ports.draws import DrawPort, feed_draws, record_draws

X = torch.linspace(-1.0, 1.0, 6).reshape(2, 3)


def run():
    return torch.randn(2, 3) * 2 + functional.dropout(X, 0.5)


def record():
    with record_draws() as found:
        outputs = run()
    ports = [DrawPort(f"noise_{number}", drawn) for number, drawn in enumerate(found)]
    return ports, {port.name: port.drawn.values for port in ports}, outputs


def test_given_numbers_give_the_same():
    ports, given, outputs = record()
    assert not torch.equal(run(), outputs)
    with feed_draws(ports, given):
        assert torch.equal(run(), outputs)


def test_what_is_recorded_says_where():
    ports, _, _ = record()
    assert [port.drawn.op for port in ports] == ["randn", "dropout"]
    assert all(port.drawn.source.startswith("test_draws.py:") for port in ports)


def test_more_fewer_or_other_draws_are_errors():
    ports, given, _ = record()
    with pytest.raises(RuntimeError, match="more often"), feed_draws(ports, given):
        run()
        run()
    with pytest.raises(RuntimeError, match="less often"), feed_draws(ports, given):
        torch.randn(2, 3)
    with pytest.raises(RuntimeError, match="other sizes"), feed_draws(ports, given):
        torch.randn(3, 2)


def test_without_ports_forward_draws_by_itself():
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    with feed_draws([], {}):
        assert torch.equal(torch.randn(3), expected)


def test_what_is_given_is_not_written_to():
    ports, given, _ = record()
    before = given["noise_0"].clone()
    with feed_draws(ports[:1], given):
        torch.randn(2, 3).zero_()
    assert torch.equal(given["noise_0"], before)


def test_functional_is_as_before_afterwards():
    before = functional.has_torch_function_unary
    record()
    assert functional.has_torch_function_unary is before
