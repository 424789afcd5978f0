"""A request with what forward keeps, and what it draws, as further arguments of the call."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

from torch2keras.capture.example_inputs import bind_example
from torch2keras.capture.ports.port_shapes import add_port_shapes
from torch2keras.capture.ports.random_ports import open_random_ports
from torch2keras.capture.ports.slots import ModulePorts
from torch2keras.capture.ports.state_ports import KEEP_TENSOR, open_state_ports
from torch2keras.conversion.request import Request
from torch2keras.errors import CaptureError, list_names

NO_STATE = 'state="ports" has nothing to do: no output depends on an earlier call.'


NO_DRAWS = 'random="ports" has nothing to do: forward draws no numbers that PyTorch shows.'


def open_ports(request: Request) -> Request:
    """Return the request of the module that is given what is asked for: its state, its noise.

    Raises InputError where the module does not run, CaptureError where it cannot be given its
    state.
    """
    if not request.with_state and not request.with_draws:
        return request
    call = request.module, request.args, request.kwargs
    ports = open_state_ports(*call) if request.with_state else ModulePorts(request.module)
    if request.with_draws:
        bind_example(*call)
        ports = open_random_ports(ports, request.args, request.kwargs)
    return take_ports(request, ports)


def take_ports(request: Request, ports: ModulePorts) -> Request:
    """Return a request for the caller's module as one for the module with these ports."""
    notes = list(request.notes)
    if request.with_state and not ports.states:
        notes.append(NO_STATE)
    if request.with_draws and not ports.draws:
        notes.append(NO_DRAWS)
    module = ports.wrap_module()
    kwargs = {**request.kwargs, **ports.examples}
    call = bind_example(request.module, request.args, request.kwargs)
    ported = bind_example(module, request.args, kwargs)
    return replace(
        request,
        module=module,
        kwargs=kwargs,
        dynamic_shapes=add_port_shapes(request.dynamic_shapes, call, ported, ports),
        notes=tuple(notes),
        ports=ports,
        plain=request,
    )


def keep_needed_ports(request: Request, names: Collection[str]) -> Request:
    """Return a request with no other states than these."""
    if request.ports is None or request.plain is None:
        return request
    return take_ports(request.plain, request.ports.keep_needed(names))


@contextmanager
def name_numbers(ports: ModulePorts) -> Iterator[None]:
    """Name the Python numbers among the states in the error of a capture that fails within."""
    numbers = [port.attribute for port in ports.states if port.is_number]
    try:
        yield
    except CaptureError as error:
        if not numbers:
            raise
        rows = [row for row in error.rows if row[0] != "next"]
        raise CaptureError(
            f"what forward keeps cannot be given to it as tensors: {list_names(numbers)}",
            [*rows, ("next", KEEP_TENSOR)],
        ) from error
