"""Habits of strange instances: attributes of any kind, hooks, names and states of parts."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from strange_objects import OBJECTS, raising

InstanceHabit = Callable[[nn.Module], None]

INSTANCE_HABITS: dict[str, InstanceHabit] = {}


def instance_habit(function: InstanceHabit) -> InstanceHabit:
    INSTANCE_HABITS[function.__name__] = function
    return function


ATTRIBUTES = ("config", "cfg", "extra", "_cache", "hparams", "padding", "past_key_values", "device")


def give(module: nn.Module, name: str, value: Any) -> None:
    """Set an attribute past what the class says of setting attributes.

    A module among them stays a plain attribute.
    """
    object.__getattribute__(module, "__dict__")[name] = value


for _attribute, (_kind, _make) in itertools.product(ATTRIBUTES, OBJECTS.items()):
    INSTANCE_HABITS[f"{_attribute} is {_kind}"] = lambda module, name=_attribute, make=_make: give(
        module, name, make()
    )


# Instances.


@instance_habit
def forward_on_the_instance(module: nn.Module) -> None:
    give(module, "forward", functools.partial(type(module).forward, module))


@instance_habit
def forward_is_no_function(module: nn.Module) -> None:
    give(module, "forward", 3)


HOOKS: dict[str, Callable[[nn.Module], Any]] = {
    "a forward hook": lambda m: m.register_forward_hook(lambda *_: None),
    "a forward hook that changes": lambda m: m.register_forward_hook(lambda _, __, y: y),
    "a forward hook that raises": lambda m: m.register_forward_hook(raising),
    "a hook before forward": lambda m: m.register_forward_pre_hook(lambda _, given: given),
    "a hook with keywords": lambda m: m.register_forward_pre_hook(
        lambda _, args, kwargs: (args, kwargs), with_kwargs=True
    ),
    "a backward hook": lambda m: m.register_full_backward_hook(lambda *_: None),
    "a hook before backward": lambda m: m.register_full_backward_pre_hook(lambda *_: None),
    "a hook of the state_dict": lambda m: m._register_state_dict_hook(lambda *_: None),
    "a hook of the state_dict that raises": lambda m: m._register_state_dict_hook(raising),
    "a hook before loading": lambda m: m._register_load_state_dict_pre_hook(raising),
    "a hook of a parameter": lambda m: next(m.parameters()).register_hook(lambda g: g * 2),
    "a hook that keeps": lambda m: m.register_forward_hook(
        lambda module, _, y: module.__dict__.__setitem__("seen", y)
    ),
}
for _name, _hook in HOOKS.items():
    INSTANCE_HABITS[_name] = lambda module, hook=_hook: hook(module)

NAMES = (
    "a b",
    "a/b",
    "λ",
    "class",
    'q"uote',
    "new\nline",
    "_hidden",
    "0",
    "a" * 300,
    "\x1b[2J",
    "{x}",
    "%s",
    "<b>",
    "a:b",
    "kernel",
    "input",
    "model",
    "__class__x",
    "../up",
    "\\",
    "\u202e",
    "😀",
    "-",
    "training_",
    "self",
)
for _name in NAMES:
    INSTANCE_HABITS[f"a part named {_name!r}"] = lambda module, name=_name: module._modules.update(
        {name: nn.Linear(2, 2)}
    )
    INSTANCE_HABITS[f"a buffer named {_name!r}"] = lambda module, name=_name: (
        module._buffers.update({name: torch.ones(2)})
    )


@instance_habit
def used_part_with_an_odd_name(module: nn.Module) -> None:
    for name in list(module._modules):
        part = module._modules.pop(name)
        give(module, name, part)  # still called, and no longer a part by name
        module._modules[f"{name} odd/\n"] = part


@instance_habit
def a_part_is_none(module: nn.Module) -> None:
    module._modules["absent"] = None
    module._parameters["absent_parameter"] = None
    module._buffers["absent_buffer"] = None


@instance_habit
def a_part_holds_its_parent(module: nn.Module) -> None:
    module._modules["again"] = module


@instance_habit
def a_part_is_there_twice(module: nn.Module) -> None:
    module._modules["twin"] = next(iter(module._modules.values()))


@instance_habit
def a_part_is_no_module(module: nn.Module) -> None:
    module._modules["text"] = "no module"


@instance_habit
def a_parameter_is_no_tensor(module: nn.Module) -> None:
    module._parameters["number"] = 3


@instance_habit
def training(module: nn.Module) -> None:
    nn.Module.train(module)


@instance_habit
def training_is_no_bool(module: nn.Module) -> None:
    give(module, "training", "yes")


@instance_habit
def no_training_flag(module: nn.Module) -> None:
    object.__getattribute__(module, "__dict__").pop("training", None)


STATES: dict[str, Callable[[], Any]] = {
    "of no elements": lambda: torch.ones(0),
    "of float64": lambda: torch.ones(3, dtype=torch.float64),
    "of float16": lambda: torch.ones(3, dtype=torch.float16),
    "of NaN": lambda: torch.full((3,), float("nan")),
    "on meta": lambda: torch.ones(3, device="meta"),
    "complex": lambda: torch.ones(3, dtype=torch.complex64),
    "sparse": lambda: torch.eye(3).to_sparse(),
    "quantised": lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8),
    "of bools": lambda: torch.ones(3, dtype=torch.bool),
    "of bfloat16": lambda: torch.ones(3, dtype=torch.bfloat16),
    "expanded": lambda: torch.ones(1).expand(3),
    "float8": lambda: torch.ones(3).to(torch.float8_e4m3fn),
}
for _name, _make in STATES.items():
    INSTANCE_HABITS[f"a buffer {_name}"] = lambda module, make=_make: module._buffers.update(
        {"odd": make()}
    )
    INSTANCE_HABITS[f"a parameter {_name}"] = lambda module, make=_make: module._parameters.update(
        {"odd": nn.Parameter(make(), requires_grad=False)}
    )


@instance_habit
def a_lazy_part(module: nn.Module) -> None:
    module._modules["lazy"] = nn.LazyLinear(3)


@instance_habit
def weight_norm(module: nn.Module) -> None:
    for part in list(nn.Module.modules(module)):
        if isinstance(part, nn.Linear | nn.Conv1d):
            parametrizations.weight_norm(part)


@instance_habit
def a_parametrization_that_raises(module: nn.Module) -> None:
    class Raising(nn.Module):
        armed = False

        def forward(self, weight):
            return raising() if self.armed else weight

    for part in list(nn.Module.modules(module)):
        if isinstance(part, nn.Linear | nn.Conv1d):
            parametrize.register_parametrization(part, "weight", Raising())
            part.parametrizations.weight[0].armed = True


@instance_habit
def frozen(module: nn.Module) -> None:
    for parameter in nn.Module.parameters(module):
        parameter.requires_grad_(False)


@instance_habit
def shared(module: nn.Module) -> None:
    parts = [part for part in nn.Module.modules(module) if isinstance(part, nn.Linear)]
    if len(parts) > 1:
        parts[0].bias = parts[0].weight


@instance_habit
def compiled(module: nn.Module) -> None:
    nn.Module.compile(module, backend="eager")
