"""The base of Keras optimizers that compute by PyTorch's formulas.

Each variable has its own setting: the options of its group of parameters in PyTorch, the rate as a
factor of the optimizer's, and of how many parameters the variable is the sum.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

PACKAGE = "torch2keras"
"""What Keras registers the classes under: `torch2keras>TorchAdam`."""

Options = Mapping[str, Any]
"""Options of a group by PyTorch's names: numbers, booleans and pairs of numbers."""


@dataclass(frozen=True)
class Setting:
    """How one variable moves."""

    options: Options
    rate: float = 1.0
    """The factor of the optimizer's learning rate."""
    copies: int = 1
    """Of how many parameters the variable is the sum: each moves by the same step."""
    moves: bool = True
    """Whether the variable moves at all: PyTorch's optimizer may not have been given it."""


@dataclass(frozen=True)
class Member:
    """One variable that an optimizer was made for, as a saved file knows it."""

    path: str
    shape: tuple[int, ...]
    setting: int


@dataclass
class Moment:
    """What a formula reads at one step, all in the variable's dtype."""

    parameter: Any
    gradient: Any
    state: dict[str, Any]
    """By PyTorch's names of its state; a formula writes the new values here."""
    rate: Any
    step: Any
    """The number of the step, from 1, as a float tensor."""
    options: Options
    copies: int = 1

    def correction(self, beta: float) -> Any:
        """Return `1 - beta**step` to the last places also where that is near zero."""
        if beta == 0:
            return 1.0
        return -ops.expm1(self.step * math.log(beta))

    def follow(self, name: str, value: Any, share: float) -> Any:
        """Move a running average by a share of its way to a value, and return it."""
        old = self.state[name]
        self.state[name] = old + (value - old) * share
        return self.state[name]


@dataclass
class _Built:
    """What was made for each variable, in the order of `build`."""

    settings: list[Setting] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    states: list[dict[str, keras.Variable]] = field(default_factory=list)


class TorchOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Moves each variable as PyTorch would, by the formula of a subclass.

    `options` are those of a variable without a setting of its own, such as a new head's. The
    learning rate is the first group's; a callback or schedule that changes it changes all groups in
    proportion. Raises ValueError in `build` where the variables are not those of `members`.
    """

    DEFAULTS: ClassVar[Options] = {}
    """The options of the formula, with PyTorch's defaults."""

    def __init__(
        self,
        learning_rate: Any = 0.001,
        options: Options | None = None,
        settings: Sequence[Mapping[str, Any]] = (),
        members: Sequence[Mapping[str, Any]] = (),
        *,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(learning_rate, name=name, **kwargs)
        unknown = sorted(set(options or {}) - set(self.DEFAULTS))
        if unknown:
            message = f"{type(self).__name__} has no option {unknown[0]!r}"
            raise ValueError(message)
        self._default = Setting({**self.DEFAULTS, **(options or {})})
        self._settings = tuple(Setting(**entry) for entry in settings)
        self._saved_members = tuple(map(_read_member, members))
        self._bound: Mapping[Any, int] = _Plain()
        self._built_parts = _Plain(parts=_Built())

    def state_names(self, options: Options) -> Iterable[str]:
        """Yield the names of what PyTorch keeps of each element."""
        raise NotImplementedError

    def scalar_names(self, options: Options) -> Iterable[str]:
        """Yield the names of what PyTorch keeps of each parameter as one number, first 1."""
        return ()

    def initial_value(self, name: str, options: Options) -> float:
        """Return what a state begins with."""
        return 0.0

    def move(self, now: Moment) -> Any:
        """Return the parameter's next value, and write the next state into `now.state`."""
        raise NotImplementedError

    def bind(self, pairs: Iterable[tuple[keras.Variable, Setting]]) -> None:
        """Say before `build` how variables move; the others move by the default options."""
        settings: list[Setting] = []
        bound = _Plain()
        for variable, setting in pairs:
            if setting not in settings:
                settings.append(setting)
            bound[self._var_key(variable)] = settings.index(setting)
        self._settings, self._bound = tuple(settings), bound

    def state_of(self, variable: keras.Variable) -> Mapping[str, keras.Variable]:
        """Return what is kept of a variable, by PyTorch's names."""
        place: int = self._get_variable_index(variable)
        return self._parts.states[place]

    @property
    def _parts(self) -> _Built:
        return self._built_parts["parts"]  # type: ignore[no-any-return]

    def build(self, variables: Sequence[keras.Variable]) -> None:
        """Make the state of each variable."""
        if self.built:
            return
        super().build(list(variables))
        places = self._place_variables(variables)
        built = _Built()
        for variable, place in zip(variables, places, strict=True):
            setting = self._default if place < 0 else self._settings[place]
            built.settings.append(setting)
            built.members.append(Member(variable.path, tuple(variable.shape), place))
            built.states.append(self._make_state(variable, setting))
        self._built_parts = _Plain(parts=built)

    def _place_variables(self, variables: Sequence[keras.Variable]) -> list[int]:
        """Return the number of each variable's setting; -1 for the default."""
        if self._bound or not self._saved_members:
            return [self._bound.get(self._var_key(variable), -1) for variable in variables]
        saved = self._saved_members
        if [member.shape for member in saved] == [tuple(v.shape) for v in variables]:
            return [member.setting for member in saved]
        by_path = {member.path: member for member in saved}
        paths = [variable.path for variable in variables]
        is_clear = len(by_path) == len(saved) and len(set(paths)) == len(paths)
        places = []
        for variable in variables:
            member = by_path.get(variable.path)
            if not is_clear or member is None or member.shape != tuple(variable.shape):
                message = (
                    f"{self.name} was saved for {len(saved)} other variables, and does not know "
                    f"how {variable.path} {tuple(variable.shape)} moves: make it anew with "
                    "torch2keras.optimizer"
                )
                raise ValueError(message)
            places.append(member.setting)
        return places

    def _make_state(self, variable: keras.Variable, setting: Setting) -> dict[str, keras.Variable]:
        state: dict[str, keras.Variable] = {}
        if not setting.moves:
            return state
        for name in self.state_names(setting.options):
            first = partial(_fill, self.initial_value(name, setting.options))
            state[name] = self.add_variable_from_reference(variable, name, first)
        for name in self.scalar_names(setting.options):
            state[name] = self.add_variable((), "ones", variable.dtype, name=name)
        return state

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Move one variable."""
        place = self._get_variable_index(variable)
        setting = self._parts.settings[place]
        if not setting.moves:
            return
        held = self._parts.states[place]
        dtype = keras.backend.standardize_dtype(variable.dtype)
        state = {}
        for name, kept in held.items():
            state[name] = ops.convert_to_tensor(kept)
        gradient = sum_repeated_rows(gradient)
        if setting.options.get("maximize"):
            gradient = -gradient
        now = Moment(
            parameter=ops.convert_to_tensor(variable),
            gradient=ops.cast(gradient, dtype),
            state=state,
            rate=ops.cast(learning_rate, dtype) * setting.rate,
            step=ops.cast(self.iterations + 1, dtype),
            options=setting.options,
            copies=setting.copies,
        )
        self.assign(variable, self.move(now))
        for name, kept in held.items():
            self.assign(kept, now.state[name])

    def get_config(self) -> dict[str, Any]:
        """Return what `from_config` takes, with the settings of all variables."""
        members = self._parts.members or self._saved_members
        return {
            **super().get_config(),
            "options": _as_json(self._default.options),
            "settings": list(map(_write_setting, self._settings)),
            "members": list(map(_write_member, members)),
        }


def _fill(value: float, shape: Sequence[int], dtype: str) -> Any:
    """Return a tensor of one number; Keras's initializer rounds it to float32 first."""
    return ops.convert_to_tensor(np.full(tuple(shape), value), dtype=dtype)


class _Plain(dict[Any, Any]):
    """A dictionary whose values Keras and TensorFlow do not track as state."""

    def __init__(self, **entries: Any) -> None:
        super().__init__(entries)


def _write_setting(setting: Setting) -> dict[str, Any]:
    return {**asdict(setting), "options": _as_json(setting.options)}


def _write_member(member: Member) -> dict[str, Any]:
    return {**asdict(member), "shape": list(member.shape)}


def _read_member(entry: Mapping[str, Any]) -> Member:
    return Member(entry["path"], tuple(entry["shape"]), entry["setting"])


def _as_json(options: Options) -> dict[str, Any]:
    plain = {}
    for name, value in options.items():
        plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def sum_repeated_rows(gradient: Any) -> Any:
    """Return a gradient as one dense tensor.

    TensorFlow gives an Embedding's as one slice for each looked up row. Where a row was looked up
    twice, the squares of both are not the square of their sum.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.convert_to_tensor(gradient)
    return gradient
