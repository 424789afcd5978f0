"""What training will do with a module otherwise than a capture in eval mode shows.

The module is run on the example once in eval mode and once in train mode, with gradients. Found
are custom functions, hooks on gradients, checkpoints, modules that `train()` leaves in eval mode,
and what forward calls in train mode alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch._C import DisableTorchFunction
from torch.autograd import Function
from torch.utils.checkpoint import CheckpointFunction

from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.capture.failures import first_line
from torch2keras.capture.training.custom_functions import FunctionTable
from torch2keras.capture.training.function_backward import Backward, Measured
from torch2keras.capture.training.told_rates import Rates, find_told_rates
from torch2keras.capture.training.train_flags import set_train_flags
from torch2keras.capture.training.train_mode_calls import (
    ATTENTION,
    CallRecorder,
    Place,
    TrainOnly,
    compare_modes,
)
from torch2keras.custom_ops.multi_head_attention import multi_head_attention
from torch2keras.errors import list_names
from torch2keras.fx_passes.source_lines import normalise_path
from torch2keras.runtime.isolation import isolate_module, silence_output
from torch2keras.runtime.journal import Journal, put_back
from torch2keras.runtime.native_attributes import (
    instance_dict,
    is_native,
    own_members,
    submodules,
)
from torch2keras.runtime.run_alone import only_here, patch_here

_KNOWS_OF_TRAINING = (
    nn.modules.batchnorm._NormBase,  # noqa: SLF001 - the base of all of them
    nn.modules.dropout._DropoutNd,  # noqa: SLF001 - as above
    nn.MultiheadAttention,
)

_GRADIENT_HOOKS = ("register_hook", "register_post_accumulate_grad_hook")


@dataclass(frozen=True)
class TrainingFacts:
    """What a survey found."""

    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    """Why gradients are compared: what may make them differ, each with its place."""
    differences: tuple[str, ...] = ()
    """Those of them that will make gradients differ, as the notes say."""
    fixed: frozenset[str] = frozenset()
    """The paths of the modules that stay in eval mode when the module is trained."""
    train_only: tuple[TrainOnly, ...] = ()
    rates: Rates = field(default_factory=dict)
    """The rates that the mode tells, where the modes differ in nothing else."""
    functions: FunctionTable = field(default_factory=FunctionTable)


def survey_training(call: ExampleCall) -> TrainingFacts:
    """Return what distinguishes training a module from running it in eval mode.

    Nothing where it does not run on the example in eval mode: capturing it says why.
    """
    parts = submodules(call.module)
    paths = {id(part): path for path, part in parts.items()}
    survey = _Survey(paths)
    kept = _find_eval_paths(parts)
    if "" in kept:
        kept = frozenset()
    with (
        isolate_module(call.module, seed=0, copy_state=True, copy_matrices=False),
        put_back(survey.journal),
        torch.enable_grad(),
        silence_output(),
    ):
        try:
            with isolate_module(call.module):  # so that the second run finds no caches of it
                in_eval = survey.run(call)
        except Exception:  # noqa: BLE001 - the module may raise anything
            return TrainingFacts()
        functions, survey.functions = survey.functions, FunctionTable()
        try:
            fixed = _set_train_mode(call.module, parts, kept)
            in_train = survey.run(call)
        except Exception as error:  # noqa: BLE001 - as above
            survey.notes.append(
                f"In train mode the module does not run on the example ({first_line(error)}): "
                "what it does in training alone is not known."
            )
            fixed, in_train = kept, in_eval
    survey.find_hooks(parts)
    acting = [path for path in sorted(fixed) if isinstance(parts[path], _KNOWS_OF_TRAINING)]
    if acting:
        survey.doubts.append(f"{list_names(acting)} in eval mode while the module trains")
        survey.notes.append(
            f"{list_names(acting)} stay in eval mode while the module is trained, in Keras too: "
            "normalizations on their running statistics, dropouts idle."
        )
    return TrainingFacts(
        tuple(dict.fromkeys(survey.notes)),
        tuple(dict.fromkeys(survey.doubts)),
        tuple(dict.fromkeys(survey.differences)),
        fixed,
        tuple(compare_modes(in_eval, in_train)),
        find_told_rates(in_eval, in_train),
        functions,
    )


def list_lost(facts: TrainingFacts, graph: torch.fx.Graph) -> list[TrainOnly]:
    """Return what a graph in eval mode lacks; attention that stayed whole in it has its dropout."""
    whole = set[str]()
    for node in graph.nodes:
        if node.target is multi_head_attention.default:
            whole.update(_stack_paths(node))

    def is_lost(found: TrainOnly) -> bool:
        return found.names != (ATTENTION,) or not whole.issuperset(found.paths)

    return list(filter(is_lost, facts.train_only))


def list_training_notes(
    facts: TrainingFacts, graph: torch.fx.Graph, unread: Collection[str] | None = None
) -> list[str]:
    """Return all notes of a survey.

    `unread` are the paths of the modules that still do otherwise in training than the graph; all
    that the survey found, without it.
    """
    notes = list(facts.notes)
    for found in list_lost(facts, graph):
        rest = found if unread is None else found.keep_modules_above(unread)
        if rest is not None:
            notes.append(rest.note())
    return notes


def _stack_paths(node: torch.fx.Node) -> Iterator[str]:
    for path, _ in (node.meta.get("nn_module_stack") or {}).values():
        yield normalise_path(str(path))


class _Survey:
    """Collects what runs of a module show."""

    def __init__(self, paths: Mapping[int, str]) -> None:
        self.paths = paths
        self.notes: list[str] = []
        self.doubts: list[str] = []
        self.differences: list[str] = []
        self.functions = FunctionTable()
        self.journal = Journal()
        """Of what the runs write to."""

    def run(self, call: ExampleCall) -> Any:
        """Return the counts of the functions of PyTorch that forward calls on the example."""
        recorder = CallRecorder(self.paths)
        args, kwargs = call.example.copy_arguments()

        def notice(cls: type[Function], measured: Measured) -> None:
            self.add_function(cls, measured, recorder.find_place())

        with (
            patch_here(torch.nn.functional, "_verify_batch_size", lambda size: None),
            self._record_hooks(recorder),
            self.functions.measure_calls(notice),
            self._record_checkpoints(),
            recorder,
            self.journal,
        ):
            call.module(*args, **kwargs)
        return recorder.calls

    def add_function(self, cls: type[Function], measured: Measured, place: Place | None) -> None:
        """Note a custom function, by what its backward is."""
        told = f"The custom autograd.Function {cls.__name__} in {_describe(place)}"
        self.doubts.append(told)
        if measured.backward is Backward.SLOPE:
            self.notes.append(
                f"{told}: the gradient of the Keras model is that of its backward, "
                "by stop_gradient and arithmetic."
            )
        elif measured.backward is Backward.OTHER:
            self.differences.append(told)
            self.notes.append(
                f"{told} has a backward that stock Keras has no form for: "
                "the Keras model differentiates what forward computes, and trains otherwise."
            )

    def add_hook(self, what: str, place: Place | None) -> None:
        """Note a hook on gradients."""
        told = f"There is {what} in {_describe(place)}"
        self.doubts.append(told)
        self.differences.append(told)
        self.notes.append(
            f"{told}: Keras has none, and where it changes gradients "
            "the Keras model trains otherwise."
        )

    @contextmanager
    def _record_hooks(self, recorder: CallRecorder) -> Iterator[None]:
        """Note the hooks that forward registers on tensors."""
        own = {name: getattr(torch.Tensor, name) for name in _GRADIENT_HOOKS}

        def wrap_method(name: str) -> Any:
            def register(tensor: torch.Tensor, hook: Any) -> Any:
                self.add_hook(f"a gradient hook ({name})", recorder.find_place())
                with DisableTorchFunction():  # which would register it once more
                    return own[name](tensor, hook)

            return register

        first, second = _GRADIENT_HOOKS
        with (
            patch_here(torch.Tensor, first, wrap_method(first)),
            patch_here(torch.Tensor, second, wrap_method(second)),
        ):
            yield

    @contextmanager
    def _record_checkpoints(self) -> Iterator[None]:
        """Note that reentrant checkpoints are used, which are exported as what they run."""
        own = CheckpointFunction.forward

        def forward(*args: Any) -> Any:
            self.doubts.append("reentrant torch.utils.checkpoint")
            return own(*args)  # type: ignore[no-untyped-call]

        with patch.object(CheckpointFunction, "forward", staticmethod(only_here(forward, own))):
            yield

    def find_hooks(self, parts: Mapping[str, nn.Module]) -> None:
        """Note the hooks on gradients that modules and parameters have."""
        for path, part in parts.items():
            held = instance_dict(part) or {}
            place = Place(path, type(part).__name__, None)
            if held.get("_backward_hooks") or held.get("_backward_pre_hooks"):
                self.add_hook("a backward hook", place)
            for name, parameter in own_members(part, "_parameters").items():
                if is_native(parameter, torch.Tensor) and _has_hooks(parameter):
                    self.add_hook(f"a gradient hook of the parameter {name}", place)


def _has_hooks(parameter: torch.Tensor) -> bool:
    names = ("_backward_hooks", "_post_accumulate_grad_hooks")
    return any(getattr(parameter, name) for name in names)


def _describe(place: Place | None) -> str:
    if place is None:
        return "a batch normalization"
    line = f", {place.line.place}" if place.line else ""
    return f"{place.path or 'the module itself'} ({place.kind}{line})"


def _set_train_mode(
    module: nn.Module, parts: Mapping[str, nn.Module], kept: Collection[str]
) -> frozenset[str]:
    """Switch a module to train mode, and return the paths that stay in eval mode.

    They are `kept`, and those that its own `train` leaves so, where it has one.
    """
    fixed = set(kept)
    if any(type(part).train is not nn.Module.train for part in parts.values()):
        set_train_flags(module, ())
        module.train()
        fixed.update(_find_eval_paths(parts))
    set_train_flags(module, fixed)
    return frozenset(fixed)


def _find_eval_paths(parts: Mapping[str, nn.Module]) -> frozenset[str]:
    flags = {path: (instance_dict(part) or {}).get("training") for path, part in parts.items()}
    return frozenset(path for path, flag in flags.items() if flag is False)
