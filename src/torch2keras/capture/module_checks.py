"""What is refused, or noted, before a module is exported."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils import _pytree as pytree

from torch2keras.errors import InputError, list_names
from torch2keras.runtime.isolation import check_initialised
from torch2keras.runtime.mapped_memory import release_tensors
from torch2keras.runtime.native_attributes import instance_dict, state_tensors, submodules

_QUANTISED = (torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4)


_FLOAT_FUNCTIONALS = ("FloatFunctional", "FXFloatFunctional")
"""Modules beside PyTorch's quantised ones that add and join in floats, to be observed."""

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
        what = f"an object of {type(module).__qualname__}"
        if isinstance(module, type):
            what = f"the class {module.__qualname__}"
        step = (
            "give a module, as in convert(nn.Linear(3, 5), (x,)); "
            "wrap a function in a module's forward"
        )
        raise InputError(f"not a torch.nn.Module: {what}", [("next", step)])
    parts = submodules(module)
    for path, part in parts.items():
        _check_part(path, part)
    check_initialised(parts)
    _check_state(state_tensors(parts))


def _check_part(path: str, part: nn.Module) -> None:
    """Raise InputError for TorchScript and quantised modules, and for an unknown padding."""
    where = f"{path or 'the module itself'} ({type(part).__name__})"
    if isinstance(part, torch.jit.ScriptModule):
        step = "put the nn.Module that was scripted or traced in its place"
        raise InputError("a part of the module is TorchScript", [("module", where), ("next", step)])
    if "_modules" not in (instance_dict(part) or {}):
        step = "call super().__init__() in its __init__, before anything is set"
        raise InputError(
            "a module was made without torch.nn.Module.__init__",
            [("module", where), ("next", step)],
        )
    is_quantised = type(part).__module__.startswith("torch.ao.nn.quantized")
    if is_quantised and type(part).__name__ not in _FLOAT_FUNCTIONALS:
        step = "convert the module as it was before quantize_dynamic; Keras has model.quantize"
        raise InputError("a part of the module is quantised", [("module", where), ("next", step)])
    padding = getattr(part, "padding", None)
    if not isinstance(part, _CONVOLUTIONS) or isinstance(padding, str):
        return
    word = "".join(item for item in padding or () if isinstance(item, str))
    if word:
        rows = [
            ("module", where),
            ("why", f"PyTorch took the word for one number an axis: padding={padding!r}"),
            ("next", "give padding as numbers; transposed convolution has no 'same' in PyTorch"),
        ]
        raise InputError(f"padding={word!r} is not known to {type(part).__name__}", rows)


def _find_elsewhere(tensor: torch.Tensor) -> str | None:
    """Return where a tensor is, if neither on the CPU nor on the meta device."""
    return None if tensor.device.type in ("cpu", "meta") else str(tensor.device)


def _find_unfit(tensor: torch.Tensor) -> str | None:
    """Return why no conversion takes numbers like those of a tensor; None where it does."""
    if tensor.dtype is torch.complex32:
        return f"half complex ({tensor.dtype})"
    if tensor.is_quantized or tensor.dtype in _QUANTISED:
        return f"quantised ({tensor.dtype})"
    if tensor.layout is not torch.strided:
        return f"sparse ({tensor.layout})"
    return None


_STATE_REFUSALS: tuple[tuple[str, Callable[[torch.Tensor], bool | str | None], str], ...] = (
    (
        "parameters or buffers on the meta device",
        lambda tensor: tensor.is_meta,
        'name their file: convert(..., weights="weights.safetensors"), or a folder of shards',
    ),
    (
        "parameters or buffers that are not on the CPU",
        _find_elsewhere,
        "convert module.cpu()",
    ),
    (
        "quantised or sparse parameters or buffers",
        _find_unfit,
        "convert a module of dense numbers: stock Keras layers have no others",
    ),
)
"""What is refused of parameters and buffers; whether a tensor is so, or how; what to do next."""


def _check_state(state: Mapping[str, torch.Tensor]) -> None:
    for what, find, step in _STATE_REFUSALS:
        names = []
        for name, tensor in state.items():
            found = find(tensor)
            if found:
                names.append(f"{name} ({found})" if isinstance(found, str) else name)
        if names:
            raise InputError(f"{what}: {list_names(names)}", [("next", step)])


def check_inputs(tensors: Sequence[tuple[str, torch.Tensor]]) -> None:
    """Raise InputError for tensors, given as (name, tensor), that no conversion takes.

    A batch of nothing is one: nothing could be compared.
    """
    batches = [(name, tensor) for name, tensor in tensors if tensor.ndim]
    if batches and all(tensor.shape[0] == 0 for _, tensor in batches):
        names = list_names([f"{name} {list(tensor.shape)}" for name, tensor in batches])
        step = "give an example of a batch of two or more, so that the numbers can be compared"
        raise InputError(f"the example holds no numbers: {names}", [("next", step)])
    for name, tensor in tensors:
        if tensor.device.type != "cpu":
            rows = [
                ("why", "modules are converted on the CPU"),
                ("next", "give an example on the CPU, as x.cpu()"),
            ]
            raise InputError(f"example input {name} is on device {tensor.device}", rows)
        problem = _find_unfit(tensor)
        if problem is not None:
            step = "give dense tensors of float32, float64 or complex64; quantised ones dequantised"
            raise InputError(f"example input {name} is {problem}", [("next", step)])


def check_outputs(values: Sequence[Any]) -> None:
    """Raise InputError where no output of a module, of which these are fake values, is a tensor."""
    if any(isinstance(value, torch.Tensor) for value in values):
        return
    kinds = list_names(sorted({type(value).__name__ for value in values})) or "nothing"
    step = "return from forward the tensors that the Keras model is to give"
    raise InputError(f"forward returns no tensor, but {kinds}", [("next", step)])


def check_not_packed(arguments: Mapping[str, Any]) -> None:
    """Raise InputError where an argument of forward, given by name, is a packed sequence."""
    for name, value in arguments.items():
        nested = pytree.tree_leaves(value, is_leaf=lambda part: isinstance(part, PackedSequence))
        if any(isinstance(part, PackedSequence) for part in nested):
            step = (
                "let forward take the padded tensor and the lengths, and call pack_padded_sequence"
                "(x, lengths, ...) itself; Keras has no packed inputs"
            )
            raise InputError(f"example input {name} is a packed sequence", [("next", step)])


def note_odd_weights(module: nn.Module) -> tuple[str, ...]:
    """Return a note that names the parameters and buffers that hold NaN or infinity."""
    names = []
    for name, tensor in state_tensors(submodules(module)).items():
        # A sum is finite only where all is; it needs no second tensor, and may overflow.
        is_odd = tensor.is_floating_point() and not tensor.sum().isfinite()
        if is_odd and not tensor.isfinite().all():
            names.append(name)
        release_tensors([tensor])
    if not names:
        return ()
    return (f"NaN or infinity in {list_names(names)}; they are converted as they are.",)


def note_train_mode(module: nn.Module) -> tuple[str, ...]:
    """Return a note where the module, or a part of it, is in train mode."""
    training = [path for path, part in submodules(module).items() if part.training]
    if not training:
        return ()
    if module.training:
        subject = "The module is"
    elif len(training) == 1:
        subject = f"{training[0]} is"
    else:
        subject = f"{list_names(training)} are"
    return (f"{subject} in train mode; converted as in eval mode, and left in train mode.",)
