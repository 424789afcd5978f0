"""What is refused, or noted, before a module is exported."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import nn

from torch2keras.errors import InputError, list_names
from torch2keras.runtime.isolation import check_initialised
from torch2keras.runtime.native_attributes import submodules

_QUANTISED = (torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4)


_CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)


def check_module(module: object) -> None:
    """Raise InputError for what cannot be converted whatever its inputs are."""
    if isinstance(module, torch.jit.ScriptModule):
        raise InputError(
            f"a TorchScript module cannot be converted: {type(module).__name__}",
            [("next", "give the nn.Module that was scripted or traced")],
        )
    if not isinstance(module, nn.Module):
        raise InputError(
            f"not a torch.nn.Module: {_described(module)}",
            [
                (
                    "next",
                    "give a module, as in convert(nn.Linear(3, 5), (x,)); wrap a function in a module's forward",
                )
            ],
        )
    parts = submodules(module)
    for path, submodule in parts.items():
        _check_submodule(path, submodule)
    check_initialised(parts)
    _check_state(module)


def check_inputs(tensors: Sequence[tuple[str, torch.Tensor]]) -> None:
    """Raise InputError for example tensors that no conversion takes; `tensors` are (name, tensor) pairs."""
    for name, tensor in tensors:
        if tensor.is_meta or tensor.device.type != "cpu":
            raise InputError(
                f"example input {name} is on device {tensor.device}",
                [
                    ("why", "modules are converted on the CPU"),
                    ("next", "give an example on the CPU, as x.cpu()"),
                ],
            )
        if (problem := _unfit(tensor)) is not None:
            raise InputError(
                f"example input {name} is {problem}",
                [
                    (
                        "next",
                        "give dense tensors of float32, float64 or complex64; quantised ones dequantised",
                    )
                ],
            )


def weight_notes(module: nn.Module) -> tuple[str, ...]:
    """A note that names the parameters and buffers that hold NaN or infinity."""
    names = [
        name
        for name, tensor in _state(module)
        if tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    return (
        (f"NaN or infinity in {list_names(names)}; they are converted as they are.",)
        if names
        else ()
    )


def train_mode_notes(module: nn.Module) -> tuple[str, ...]:
    """A note where the module, or a part of it, is in train mode."""
    training = [path for path, submodule in module.named_modules() if submodule.training]
    if not training:
        return ()
    what = (
        "The module is"
        if module.training
        else f"{list_names(training)} {'are' if len(training) > 1 else 'is'}"
    )
    return (f"{what} in train mode; converted as in eval mode, and left in train mode.",)


def _check_submodule(path: str, submodule: nn.Module) -> None:
    where = f"{path or 'the module itself'} ({type(submodule).__name__})"
    if isinstance(submodule, torch.jit.ScriptModule):
        raise InputError(
            "a part of the module is TorchScript",
            [
                ("module", where),
                ("next", "put the nn.Module that was scripted or traced in its place"),
            ],
        )
    padding = getattr(submodule, "padding", None)
    if isinstance(submodule, _CONVOLUTIONS) and not isinstance(padding, str):
        letters = [item for item in padding or () if isinstance(item, str)]
        if letters:
            raise InputError(
                f"padding={''.join(letters)!r} is not known to {type(submodule).__name__}",
                [
                    ("module", where),
                    ("why", f"PyTorch took the word for one number an axis: padding={padding!r}"),
                    (
                        "next",
                        "give padding as numbers; transposed convolution has no 'same' in PyTorch",
                    ),
                ],
            )


def _check_state(module: nn.Module) -> None:
    named = list(_state(module))
    refusals = (
        (
            "parameters or buffers on the meta device",
            [name for name, tensor in named if tensor.is_meta],
            "load the weights first, as in module.to_empty(device='cpu') and load_state_dict",
        ),
        (
            "parameters or buffers that are not on the CPU",
            [
                f"{name} ({tensor.device})"
                for name, tensor in named
                if tensor.device.type not in ("cpu", "meta")
            ],
            "convert module.cpu()",
        ),
        (
            "complex parameters",
            [name for name, tensor in named if tensor.is_complex() and tensor.requires_grad],
            "hold real and imaginary part as real parameters, and join them in forward with torch.view_as_complex",
        ),
        (
            "quantised or sparse parameters or buffers",
            [
                f"{name} ({problem})"
                for name, tensor in named
                if (problem := _unfit(tensor)) is not None
            ],
            "convert a module of dense numbers: stock Keras layers have no others",
        ),
    )
    for what, names, step in refusals:
        if names:
            raise InputError(f"{what}: {list_names(names)}", [("next", step)])


def _state(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _unfit(tensor: torch.Tensor) -> str | None:
    if tensor.dtype is torch.complex32:
        return f"half complex ({tensor.dtype})"
    if tensor.is_quantized or tensor.dtype in _QUANTISED:
        return f"quantised ({tensor.dtype})"
    if tensor.layout is not torch.strided:
        return f"sparse ({tensor.layout})"
    return None


def _described(value: Any) -> str:
    return (
        f"the class {value.__qualname__}"
        if isinstance(value, type)
        else f"an object of {type(value).__qualname__}"
    )
