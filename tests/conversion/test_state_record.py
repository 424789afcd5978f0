"""What a Keras model was made of does not change when the module does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

import torch2keras as t2k
from torch2keras.conversion.state_record import COPY_LIMIT, Kept, checksum


class Mixed(nn.Module):
    """Weights of every kind: plain, computed, in part, small and in the graph, outside, unread."""

    def __init__(self, tall: int = 7) -> None:
        super().__init__()
        self.plain = nn.Linear(4, 5)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Linear(5, 5))
        self.raw = nn.Parameter(torch.randn(5, 5))
        self.positions = nn.Parameter(torch.randn(tall, 5))
        self.unread = nn.Parameter(torch.randn(tall, 3))
        self.register_buffer("shift", torch.randn(5))
        self.register_buffer("table", torch.randn(9, 5), persistent=False)
        self.offset = torch.randn(9, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.normed(self.plain(x)) + self.positions[:3] + self.shift
        y = F.linear(y, F.softplus(self.raw).t())
        return y + self.table[: x.shape[1]] + self.offset[: x.shape[1]]


MIXED_INPUT = torch.randn(2, 3, 4)


def move(module: nn.Module, *, but: tuple[str, ...] = ()) -> nn.Module:
    """Change every tensor of a module where it is, as training does."""
    generator = torch.Generator().manual_seed(5)
    tensors = dict([*module.named_parameters(), *module.named_buffers()])
    tensors |= {"offset": module.offset} if hasattr(module, "offset") else {}
    with torch.no_grad():
        for name, tensor in tensors.items():
            if tensor.is_floating_point() and name not in but:
                tensor.add_(0.1 + torch.rand(tensor.shape, generator=generator))
    return module


def copy_of(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in state.items()}


def test_state_and_report_do_not_follow_the_module() -> None:
    module = Mixed().eval()
    converted = t2k.convert(module, MIXED_INPUT)
    before, report, out = (
        copy_of(module.state_dict()),
        str(converted.report),
        converted(MIXED_INPUT),
    )
    move(module)
    after = converted.state_dict()
    assert list(after) == list(before)
    for name, tensor in before.items():
        assert torch.equal(after[name], tensor), name
    assert str(converted.report) == report
    converted.load_state_dict(before)
    assert (converted(MIXED_INPUT) == out).all()


def test_a_checkpoint_is_compared_with_what_was_converted() -> None:
    module = Mixed().eval()
    converted = t2k.convert(module, MIXED_INPUT)
    before = copy_of(module.state_dict())
    move(module)
    with pytest.raises(t2k.InputError, match="shift has other values"):
        converted.load_state_dict(module.state_dict())
    for name, tensor in converted.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    module.shift.copy_(before["shift"])
    module.table -= 1.0  # no entry of the state_dict: the model keeps what it was converted with
    converted.load_state_dict(module.state_dict())
    for name, tensor in converted.state_dict().items():
        assert torch.equal(tensor, module.state_dict()[name]), name
    converted.verify()


def test_the_advice_of_a_constant_works() -> None:
    module = Mixed().eval()
    t2k.convert(module, MIXED_INPUT)
    again = t2k.convert(move(module), MIXED_INPUT)
    again.load_state_dict(module.state_dict())


def test_what_is_too_large_to_be_copied_must_not_change() -> None:
    tall = COPY_LIMIT // 8
    module = Mixed(tall).eval()
    converted = t2k.convert(module, MIXED_INPUT)
    before = copy_of(module.state_dict())
    assert torch.equal(converted.state_dict()["positions"], before["positions"])
    move(module, but=("shift",))
    with pytest.raises(t2k.InputError, match="positions is in no Keras weight, and has changed"):
        converted.state_dict()
    converted.load_state_dict(module.state_dict())
    converted.verify()
    loaded = copy_of(module.state_dict())
    move(module, but=("shift",))
    for name, tensor in converted.state_dict().items():
        assert torch.equal(tensor, loaded[name]), name


class Viewing(nn.Module):
    """An attribute that lies in the memory of a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.half = self.weight.detach()[:2]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return F.linear(x, self.weight), F.linear(x, self.half)


def test_a_view_would_change_with_the_state() -> None:
    module = Viewing().eval()
    converted = t2k.convert(module, torch.randn(2, 4))
    converted.load_state_dict(module.state_dict())
    other = {"weight": module.weight.detach() + 1}
    with pytest.raises(t2k.InputError, match=r"half is no entry .* in the memory of weight"):
        converted.load_state_dict(other)
    module.load_state_dict(other)
    t2k.convert(module, torch.randn(2, 4)).load_state_dict(other)


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "one bit": lambda t: torch.nextafter(t, t + 1),
    "an order": lambda t: t.flip(0),
    "a NaN": lambda t: t / 0 * 0,
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_checksums(name: str, dtype: torch.dtype) -> None:
    tensor = torch.randn(3, 4, dtype=dtype)
    assert checksum(tensor) == checksum(tensor.t().contiguous().t())
    assert checksum(tensor) != checksum(CHANGES[name](tensor))
    assert checksum(torch.tensor(0.5, dtype=dtype)) == checksum(torch.full((), 0.5, dtype=dtype))


def test_kept_memory() -> None:
    tensor = torch.zeros(3)
    kept = Kept(tensor, checksum(tensor))
    assert kept.read("x") is tensor
    tensor += 1
    with pytest.raises(t2k.InputError, match="x is in no Keras weight"):
        kept.read("x")
    assert Kept(tensor).read("x") is tensor
