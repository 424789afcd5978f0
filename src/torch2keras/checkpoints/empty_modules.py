"""Modules that were built without memory, on the device "meta", and get the weights of a file.

The tensors of the file take the place of the module's own, as `load_state_dict(assign=True)` has
it: they stay mapped, and have the types that the file has. What no file holds, a buffer that is not
persistent, is made by the module itself: by `reset_parameters` of its part, which PyTorch asks of
modules on "meta" (torch.distributed.fsdp, `param_init_fn`), or by `_init_weights`, as transformers
calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import torch
from torch import nn

from torch2keras.checkpoints.checkpoint_files import Checkpoint
from torch2keras.checkpoints.checkpoint_names import WantedNames, fit_names
from torch2keras.errors import InputError, list_names
from torch2keras.runtime.isolation import check_initialised, isolate_process, silence_output
from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    own_members,
    state_tensors,
    submodules,
    walk_submodules,
)
from torch2keras.runtime.typed_errors import describe_exception

PLAIN = (torch.Tensor, nn.Parameter, nn.Buffer)
"""The classes of tensors that can be exchanged for others."""


def is_empty(module: nn.Module) -> bool:
    """Return whether a module has parameters or buffers on the device "meta"."""
    return any(tensor.is_meta for tensor in state_tensors(submodules(module)).values())


def fill_module(module: nn.Module, checkpoint: Checkpoint, entry: str = "") -> list[str]:
    """Let a module have the tensors of a checkpoint in place of its own; return what to say of it.

    `entry` is the dictionary of the file, or the prefix of its names, that is to be taken. Raises
    InputError where names, shapes or kinds of numbers are not the module's, and where a buffer is
    in no file and the module does not make it anew.
    """
    check_initialised(submodules(module))
    wanted = _list_persistent(module)
    shapes: dict[str, tuple[int, ...]] = {}
    ties: dict[int, list[str]] = {}
    for name, tensor in wanted.items():
        shapes[name] = tuple(tensor.shape)
        ties.setdefault(id(tensor), []).append(name)
    fitted = fit_names(checkpoint, WantedNames(shapes, list(ties.values())), entry)
    fitted.report.require_complete(checkpoint.source)
    _make_unsaved_buffers(module)
    types = set()
    for names in ties.values():
        given = [fitted.state[name] for name in names if name in fitted.state]
        own = wanted[names[0]]
        if not given:  # a counter of batches, which no output depends on
            given = [torch.zeros(own.shape, dtype=own.dtype)]
        value = _take_one(names, given)
        if value.dtype != own.dtype:
            types.add(f"{value.dtype} for {own.dtype}".replace("torch.", ""))
        _exchange(module, names[0], own, value)
    notes = [fitted.report.note]
    if types:
        notes.append(f"The weights have the types of the file: {', '.join(sorted(types))}.")
    return notes


def _take_one(names: Sequence[str], given: Sequence[Any]) -> torch.Tensor:
    """Return the tensor that a file has under several names of one parameter.

    Raises InputError where they differ.
    """
    value, *others = [torch.as_tensor(tensor).detach().cpu() for tensor in given]
    if not all(value.dtype == other.dtype and torch.equal(value, other) for other in others):
        step = "build the module that was trained: it has a parameter for each of them"
        raise InputError(
            f"{list_names(names)} are one parameter of the module, and differ in the file",
            [("next", step)],
        )
    return value


def _list_persistent(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return the tensors that a state_dict holds, by name; a shared one under each of its names."""
    found: dict[str, torch.Tensor] = {}
    for path, part in walk_submodules(module):
        prefix = f"{path}." if path else ""
        unsaved = _find_unsaved(part)
        for kind in ("_parameters", "_buffers"):
            for name, tensor in own_members(part, kind).items():
                if is_native(tensor, torch.Tensor) and name not in unsaved:
                    found[prefix + name] = tensor
    return found


def _find_unsaved(part: nn.Module) -> set[str]:
    """Return the names of the buffers that are not persistent."""
    held = (instance_dict(part) or {}).get("_non_persistent_buffers_set")
    return set(held) if is_native(held, set) else set()


def _exchange(module: nn.Module, name: str, own: torch.Tensor, value: torch.Tensor) -> None:
    """Let a tensor of the module be another one; it stays the object that it is.

    Raises InputError where it is of a class of its own, or has other kinds of numbers.
    """
    if type(own) not in PLAIN:
        raise _no_exchange(name, f"it is a {type(own).__name__}")
    if own.is_floating_point() != value.is_floating_point() or own.is_complex() != (
        value.is_complex()
    ):
        raise _no_exchange(name, f"the file has {value.dtype}, and the module {own.dtype}")
    new: torch.Tensor = value
    if is_native(own, nn.Parameter):
        new = nn.Parameter(value, requires_grad=own.requires_grad)
    elif type(own) is nn.Buffer:
        new = nn.Buffer(value)
    try:
        torch.utils.swap_tensors(own, new)  # type: ignore[no-untyped-call]
    except RuntimeError:  # something refers to it weakly, as recurrent layers do to theirs
        _register_in_place(module, name, own, new)


def _register_in_place(module: nn.Module, name: str, own: torch.Tensor, new: torch.Tensor) -> None:
    """Register another tensor wherever the module has this one, as an assignment does.

    Raises InputError where a part of the module does not let it be.
    """
    for part in submodules(module).values():
        for kind in ("_parameters", "_buffers"):
            for key, tensor in own_members(part, kind).items():
                if tensor is not own:
                    continue
                try:
                    setattr(part, key, new)
                except Exception as error:
                    raise _no_exchange(name, describe_exception(error)) from error
                if own_members(part, kind)[key] is not new:
                    raise _no_exchange(name, f"{type(part).__name__} keeps its own")


def _no_exchange(name: str, why: str) -> InputError:
    step = "load the weights yourself: module.load_state_dict(state, assign=True)"
    return InputError(f"{name} cannot have the weights of the file", [("why", why), ("next", step)])


# ---- buffers that no file holds


def _make_unsaved_buffers(module: nn.Module) -> None:
    """Let the module make its buffers that are on "meta" and not persistent.

    They are made twice, of other numbers in their memory and of the generator: what is equal then
    depends on neither. Raises InputError for those that do not come out so.
    """
    unknown: list[str] = []
    for path, part in submodules(module).items():
        buffers = own_members(part, "_buffers")
        names = [name for name in _find_unsaved(part) if _is_on_meta(buffers.get(name))]
        if not names:
            continue
        with suppress(Exception), isolate_process(), silence_output(), torch.no_grad():
            makers = list(_find_makers(module, path, part))
            made = [_make_buffers(part, names, makers, fill) for fill in (0, 1)]
            if all(torch.equal(made[0][name], made[1][name]) for name in names):
                _put_buffers(part, made[0])
                continue
        _put_buffers(part, {name: buffers[name] for name in names})
        unknown += [f"{path}.{name}".lstrip(".") for name in sorted(names)]
    if unknown:
        step = (
            "build the module with its parameters alone on meta, as accelerate's "
            "init_empty_weights() does, or let reset_parameters() of these parts write them"
        )
        raise InputError(
            "buffers of the module have no numbers, and are in no file of weights",
            [
                ("buffers", list_names(unknown)),
                ("why", "they are not persistent, and were made on the device meta"),
                ("next", step),
            ],
        )


def _is_on_meta(tensor: object) -> bool:
    return is_native(tensor, torch.Tensor) and tensor.is_meta


Maker = Callable[[], object]


def _find_makers(module: nn.Module, path: str, part: nn.Module) -> Iterator[Maker]:
    """Yield what may write a part's buffers: its own method, then those of the parts around it."""
    own = getattr(part, "reset_parameters", None)
    if callable(own):
        yield own
    around = submodules(module)
    steps = path.split(".") if path else []
    for length in range(len(steps), -1, -1):
        initialise = getattr(around.get(".".join(steps[:length])), "_init_weights", None)
        if callable(initialise):
            yield partial(initialise, part)
            return


def _make_buffers(
    part: nn.Module, names: list[str], makers: list[Maker], fill: int
) -> dict[str, torch.Tensor]:
    """Return what the makers write into buffers that have `fill` everywhere.

    The part's other tensors come back as they were: they are in the file.
    """
    tables = {kind: own_members(part, kind) for kind in ("_parameters", "_buffers")}
    torch.default_generator.manual_seed(fill)
    try:
        for kind, members in tables.items():
            for name, tensor in members.items():
                if _is_on_meta(tensor):
                    _own_table(part, kind)[name] = _allocate(tensor, fill)
        for make in makers:
            make()
        now = own_members(part, "_buffers")
        return {name: now[name].detach() for name in names}
    finally:
        for kind, members in tables.items():
            _own_table(part, kind).update(members)


def _allocate(tensor: torch.Tensor, fill: int) -> torch.Tensor:
    """Return a tensor of a shape and type with memory, that is a parameter where the other is."""
    new = torch.full(tensor.shape, fill, dtype=tensor.dtype)
    if is_native(tensor, nn.Parameter):
        return nn.Parameter(new, requires_grad=tensor.requires_grad)
    return new


def _own_table(part: nn.Module, kind: str) -> dict[str, Any]:
    table: dict[str, Any] = (instance_dict(part) or {})[kind]
    return table


def _put_buffers(part: nn.Module, buffers: Mapping[str, torch.Tensor]) -> None:
    _own_table(part, "_buffers").update(buffers)
