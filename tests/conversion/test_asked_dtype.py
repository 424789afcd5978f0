"""Models in the float type that is asked for: verified, saved, loaded, weights both ways."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.capture.module_call import ModuleCall
from torch2keras.conversion.asked_dtype import cast_call


class Net(nn.Module):
    """A convolution, a norm, a recurrent layer and a float and an integer output."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5)
        self.lstm, self.head = nn.LSTM(5, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        y = self.lstm(self.norm(self.conv(x)).relu().transpose(1, 2))[0]
        return self.head(y).mean(1), torch.ones_like(y[:, 0], dtype=torch.int64).sum(1)


X = torch.randn(2, 3, 11)

# What is asked for, and the types of a layer's computation, of its weights and of the output.
TYPES = {
    "float32": ("float32", "float32", "float32"),
    "float64": ("float64", "float64", "float64"),
    "bfloat16": ("bfloat16", "bfloat16", "bfloat16"),
    "float16": ("float16", "float16", "float16"),
    "mixed_bfloat16": ("bfloat16", "float32", "float32"),
    "mixed_float16": ("float16", "float32", "float32"),
}


@pytest.mark.parametrize("dtype", TYPES)
def test_verified_saved_and_loaded(dtype: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Net().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    converted = t2k.convert(module, (X,), dtype=dtype)
    assert converted.verification is not None
    assert converted.verification.ok
    for name, value in module.state_dict().items():
        assert value.dtype == before[name].dtype
        assert torch.equal(value, before[name])
    compute, kept, given = TYPES[dtype]
    head = converted.layers["head"]
    assert (head.compute_dtype, head.variable_dtype) == (compute, kept)
    assert [str(output.dtype) for output in converted.model.outputs] == [given, "int64"]
    assert any(compute in note for note in converted.report.notes)
    assert dtype == "float32" or dtype in converted.source()
    again = keras.saving.load_model(converted.save(tmp_path / "net.keras"))
    x = converted.inputs[0].from_torch(X.to(getattr(torch, str(again.inputs[0].dtype))))
    for ours, theirs in zip(again(x), converted.model(x), strict=True):
        assert np.array_equal(ours, theirs)
    converted.load_state_dict(Net().state_dict())
    converted.load_state_dict(before)
    ours = converted.state_dict()
    for name, value in before.items():
        wanted = value.to(getattr(torch, kept)) if value.is_floating_point() else value
        assert torch.equal(ours[name], wanted)
    module.load_state_dict(ours)


def test_mixed_precision_trains_in_keras() -> None:
    converted = t2k.convert(Net().eval(), (X,), dtype="mixed_bfloat16", verify=False)
    model = converted.model
    before = np.array(model.trainable_weights[0].numpy())
    model.compile(optimizer="sgd", loss=["mse", None])
    x = torch.randn(4, 11, 3).numpy()
    model.fit(x, [np.ones((4, 2), "float32"), None], verbose=0)
    assert not np.array_equal(model.trainable_weights[0].numpy(), before)


def test_a_wrong_number_is_found_in_narrow_types(monkeypatch: pytest.MonkeyPatch) -> None:
    converted = t2k.convert(Net().eval(), (X,), dtype="mixed_bfloat16")
    run = converted.run
    monkeypatch.setattr(converted, "run", lambda x: [run(x)[0] * 1.5, run(x)[1]])
    with pytest.raises(t2k.VerificationError):
        converted.verify()


def test_what_has_no_form() -> None:
    call = ModuleCall((X,), {})
    with pytest.raises(t2k.InputError, match="no dtype is called 'int8'"):
        cast_call(Net(), call, "int8")  # type: ignore[arg-type]
    with pytest.raises(t2k.InputError, match="has weights of float32, and the module is float64"):
        t2k.convert(Net().double(), (X.double(),), dtype="mixed_float16")
    turned = ModuleCall((torch.ones(2, dtype=torch.complex64),), {})
    with pytest.raises(t2k.InputError, match="complex numbers have no form in bfloat16"):
        cast_call(Net(), turned, "bfloat16")
    _, wide = cast_call(Net(), turned, "float64")
    assert wide.args[0].dtype == torch.complex128

    class Single(nn.Linear):
        def __deepcopy__(self, memo: object) -> Single:
            raise TypeError("there is one")

    with pytest.raises(t2k.InputError, match="no copy of the module"):
        cast_call(Single(3, 5), call, "bfloat16")
