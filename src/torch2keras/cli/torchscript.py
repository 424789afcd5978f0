"""SOURCE `torchscript:FILE`: a scripted or traced module, through PyTorch's own converter.

`TS2EPConverter` reads the program of the file as a graph of ATen ops. It is none of PyTorch's
public interface and does not take every program, so what it makes is compared with the program, on
the example and with twice the batch, before it is converted.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.errors import CaptureError, InputError, SourceError, UnsafeFileError
from torch2keras.runtime.paths import is_file
from torch2keras.runtime.quiet import keep_quiet
from torch2keras.workarounds.triton_import import load_exporter

RECURRENT = (
    torch.ops.aten.lstm.input,
    torch.ops.aten.gru.input,
    torch.ops.aten.rnn_tanh.input,
    torch.ops.aten.rnn_relu.input,
)


MODULE_STEP = "give the nn.Module that was scripted or traced, and its weights with --weights"


CLOSE = 1e-5
"""The largest difference from the program, as a part of the largest value."""


def load_program(path: str, *, trust: bool = False) -> torch.jit.ScriptModule:
    """Return the program of a file, on the CPU and in eval mode.

    Nothing looks through such a program, and loading alone runs parts of it: it has to be trusted.

    Raises SourceError where the file cannot be read, UnsafeFileError where it is not trusted.
    """
    file = Path(path).expanduser()
    if not is_file(file):
        raise SourceError(f"there is no file {file}", [("next", "name what torch.jit.save wrote")])
    if not trust:
        why = "loading it runs what it holds in PyTorch's own interpreter"
        rows = [("why", why), ("next", f"{MODULE_STEP}; a file that you trust: --trust")]
        raise UnsafeFileError(f"{file} is TorchScript, a program of whoever wrote it", rows)
    try:
        with keep_quiet():
            load: Any = torch.jit.load  # it has no types
            program: torch.jit.ScriptModule = load(str(file), map_location="cpu")
    except Exception as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(
            f"{file} is damaged, or no TorchScript",
            [("python", why), ("next", "name what torch.jit.save wrote")],
        ) from error
    program.eval()
    return program


def program_as_module(program: torch.jit.ScriptModule, args: Sequence[torch.Tensor]) -> nn.Module:
    """Return the module of ATen ops that PyTorch's converter makes of a program.

    `args` are an example. Raises InputError where there is none, CaptureError where the converter
    does not take the program, or makes another one of it.
    """
    if not args:
        step = "give the inputs by position, without names: -i 2,3,1024"
        raise InputError("TorchScript takes its inputs by position", [("next", step)])
    load_exporter()
    try:
        from torch._export.converter import TS2EPConverter

        with keep_quiet():
            exported = TS2EPConverter(program, tuple(args), {}).convert()
            module: nn.Module = exported.module()
    except Exception as error:
        raise _refusal(f"{type(error).__name__}: {error}".partition("\n")[0]) from error
    if any(node.target in RECURRENT for node in exported.graph.nodes):
        raise _refusal("its recurrent layers come as single ops, and are converted as modules only")
    _restore_kinds(program, module)
    for part in module.modules():
        part.training = False
    _require_same(program, module, args)
    return module


def _refusal(why: str) -> CaptureError:
    rows = [("torch", why), ("next", MODULE_STEP)]
    return CaptureError("PyTorch's converter does not take this TorchScript", rows)


def _restore_kinds(program: torch.jit.ScriptModule, module: nn.Module) -> None:
    """Make parameters and buffers of a module's tensors as they are in the program.

    The converter makes buffers of all, or tells them apart by their values.
    """
    parameters = dict(program.named_parameters())
    for name, tensor in (*module.named_parameters(), *module.named_buffers()):
        path, _, leaf = name.rpartition(".")
        part = module.get_submodule(path)
        delattr(part, leaf)
        if name in parameters:
            trainable = parameters[name].requires_grad
            part.register_parameter(leaf, nn.Parameter(tensor.detach(), trainable))
        else:
            part.register_buffer(leaf, tensor.detach())


def _require_same(
    program: torch.jit.ScriptModule, module: nn.Module, args: Sequence[torch.Tensor]
) -> None:
    """Raise CaptureError where the module gives other numbers than the program.

    Twice the batch is compared where both take it.
    """
    twice = [torch.cat([x, x.flip(0)]) if x.ndim else x for x in args]
    for example, must_run in ((args, True), (twice, False)):
        try:
            with torch.no_grad():
                wanted, found = program(*example), module(*example)
        except Exception as error:
            if must_run:
                raise _refusal(f"{type(error).__name__}: {error}".partition("\n")[0]) from error
            return
        if not _is_close(wanted, found):
            raise _refusal("it makes a program that gives other numbers")


def _is_close(wanted: Any, found: Any) -> bool:
    pairs = list(zip(pytree.tree_leaves(wanted), pytree.tree_leaves(found), strict=False))
    for ours, theirs in pairs:
        if not isinstance(ours, torch.Tensor):
            continue
        if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
            return False
        bound = CLOSE * max(1.0, float(ours.abs().max())) if ours.numel() else 0.0
        if not torch.allclose(ours, theirs, rtol=0.0, atol=bound, equal_nan=True):
            return False
    return bool(pairs)
