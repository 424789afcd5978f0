"""What a caller wants converted and how: the options of `convert` and `inspect`, declared once."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, TypeVar, cast, get_args

from torch import nn
from torch.export import ExportedProgram

from torch2keras.capture.exported_programs import open_program
from torch2keras.capture.module_call import to_module_call
from torch2keras.capture.module_wrappers import unwrap_module
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.conversion.asked_dtype import DtypeChoice, cast_call
from torch2keras.conversion.asked_weights import give_weights
from torch2keras.errors import InputError
from torch2keras.keras_graph.mixed_precision import POLICIES
from torch2keras.runtime.progress import Progress, ignore_stage

Function = TypeVar("Function", bound=Callable[..., Any])


StateChoice = Literal["refuse", "ports"]
"""What becomes of values that forward keeps from call to call."""


RandomChoice = Literal["refuse", "ports"]
"""What becomes of random numbers that forward draws."""


class RequestOptions(TypedDict, total=False):
    """The keyword options of `build_request` as a type, for functions that pass them on."""

    dynamic_shapes: Any
    layout: str | Mapping[str, str]
    capture: Literal["export", "trace"]
    state: StateChoice
    random: RandomChoice
    dtype: DtypeChoice | None
    weights: Any
    trust: bool
    name: str | None
    progress: Progress


@dataclass(frozen=True, eq=False)
class Request:
    """One module, an example call of it, and how it is to be converted."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    dynamic_shapes: Any
    layout: str | Mapping[str, str]
    trace: bool
    """Whether the module is traced on the example in place of being exported."""
    with_state: bool
    """Whether what forward keeps from call to call becomes inputs and outputs."""
    with_draws: bool
    """Whether random numbers that forward draws become inputs."""
    policy: str
    """Keras's policy of mixed precision that layers have; empty for none."""
    name: str
    progress: Progress
    notes: tuple[str, ...]
    """What was added to the caller's example call, for the report."""
    ports: ModulePorts | None = None
    """The caller's module and what it keeps, where that was asked for and is known."""
    plain: Request | None = None
    """The request before it had ports."""
    given: nn.Module | None = None
    """The caller's own module, where `module` is a copy of it, in another type or with weights."""


def build_request(
    module: nn.Module | ExportedProgram,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    dynamic_shapes: Any = None,
    layout: str | Mapping[str, str] = "keras",
    capture: Literal["export", "trace"] = "export",
    state: StateChoice = "refuse",
    random: RandomChoice = "refuse",
    dtype: DtypeChoice | None = None,
    weights: Any = None,
    trust: bool = False,
    name: str | None = None,
    progress: Progress = ignore_stage,
) -> Request:
    """Return what these arguments of `convert` or `inspect` ask for.

    Raises InputError for an unknown `capture`, `state`, `random` or `dtype`, for `dynamic_shapes`
    beside capture="trace", and where `weights` are not the module's; what reading their file does.
    """
    _check_choice("no way to capture is called", "capture", capture, ("export", "trace"))
    _check_choice("nothing to do with state is called", "state", state, get_args(StateChoice))
    _check_choice("nothing to do with random is called", "random", random, get_args(RandomChoice))
    trace = capture == "trace"
    if trace and dynamic_shapes is not None:
        raise _no_dynamic_trace()
    if isinstance(module, ExportedProgram):
        program = open_program(module)
        module, name = program.module, name or program.name
        if dynamic_shapes is None and not trace:
            dynamic_shapes = program.dynamic_shapes
        if args == () and not kwargs:
            args, kwargs = program.args, program.kwargs
    unwrapped, notes = unwrap_module(module)
    call = to_module_call(unwrapped, args, kwargs)
    own, policy = unwrapped, ""
    if weights is not None:
        own, weight_notes = give_weights(unwrapped, weights, trust=trust)
        notes = (*notes, *weight_notes)
    if dtype is not None:
        own, call = cast_call(own, call, dtype, is_copy=own is not unwrapped)
        policy = dtype if dtype in POLICIES else ""
    return Request(
        own,
        call.args,
        call.kwargs,
        dynamic_shapes,
        layout,
        trace,
        state == "ports",
        random == "ports",
        policy,
        name or type(unwrapped).__name__,
        progress,
        (*notes, *call.notes),
        given=None if own is unwrapped else unwrapped,
    )


def _no_dynamic_trace() -> InputError:
    rows = [("why", "tracing fixes every size to the example's"), ("next", "leave one of them out")]
    return InputError('capture="trace" takes no dynamic_shapes', rows)


def _check_choice(headline: str, option: str, given: object, known: Sequence[str]) -> None:
    """Raise InputError where an option has a value that is none of the known ones."""
    if given not in known:
        step = " or ".join(f'{option}="{value}"' for value in known)
        raise InputError(f"{headline} {given!r}", [("next", f"use {step}")])


def take_request_options(function: Function) -> Function:
    """Let a function that says `**options` take and show the options of `build_request` alone.

    A call that does not fit is a TypeError at once, as Python's own for a plain signature; `help`
    and editors read the options off `__signature__`.
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    shared = inspect.signature(build_request).parameters.values()
    options = [p for p in shared if p.kind is p.KEYWORD_ONLY]
    signature = signature.replace(parameters=[*own, *options])

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            signature.bind(*args, **kwargs)
        except TypeError as error:
            message = f"{function.__name__}() {error}"
            raise TypeError(message) from None
        return function(*args, **kwargs)

    call.__signature__ = signature  # type: ignore[attr-defined]
    return cast("Function", call)
