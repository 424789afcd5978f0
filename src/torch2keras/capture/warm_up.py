"""Running a module once before it is captured, for what it makes at its first call and keeps.

Detectors make their anchors so, and read numbers on the way that torch.export does not know. Once
they are made they are constants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import nn

from torch2keras.capture.example_inputs import ExampleCall
from torch2keras.errors import InputError
from torch2keras.runtime.native_attributes import instance_dict, submodules


def warm_up(call: ExampleCall) -> bool:
    """Run a module on its example, and return whether it holds something else since.

    Whoever calls it puts the module back.
    """
    before = list(_list_held(call.module))
    try:
        call.run()
    except InputError:  # the attempts that have failed say why
        return False
    now = list(_list_held(call.module))
    if len(now) != len(before):
        return True
    return any(one is not other for one, other in zip(now, before, strict=True))


def _list_held(module: nn.Module) -> Iterator[Any]:
    """Yield the attributes of a module's parts, and what lies in their lists and dicts."""
    for part in submodules(module).values():
        for value in (instance_dict(part) or {}).values():
            yield value
            if type(value) is dict:
                yield from value.values()
            elif type(value) is list:
                yield from value
