"""`layout_map`: where the weights of a converted model go on a mesh of devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from torch2keras.converted import Converted
from torch2keras.distribution.divided_constants import DividedConstants, constant_key
from torch2keras.distribution.division import Division, divide_graph
from torch2keras.distribution.layouts import DividedVariable, Layouts
from torch2keras.errors import InputError, list_names
from torch2keras.keras_graph.weight import Weight
from torch2keras.keras_model.layers import find_variable
from torch2keras.runtime.run_alone import run_alone
from torch2keras.runtime.typed_errors import raise_typed_errors

BACKEND = "jax"
"""The backend on which `keras.distribution` divides variables."""


@run_alone
@raise_typed_errors
def layout_map(
    converted: Converted,
    mesh: keras.distribution.DeviceMesh | Mapping[str, int],
    *,
    model_axis: str = "model",
) -> Layouts:
    """Return how each variable of a converted model is divided over the devices of a mesh.

    It is a `keras.distribution.LayoutMap` for `ModelParallel`. `mesh` is a DeviceMesh or, to plan
    where there are no devices, its sizes by name: `{"batch": 2, "model": 4}`. Kernels and tables
    are divided along `model_axis` by what the graph does with them: the projections of queries,
    keys and values by heads and the one behind them by its inputs, the first of two linear maps by
    its outputs and the second by its inputs, convolutions by output channels, embeddings by rows or
    columns. Biases and what norms hold go with what they are added to. A dimension that the axis
    does not divide stays whole, and `how` of the variable says so. It is the model of
    `converted.save` that is divided, when it is loaded; docs/distribution.md has the steps.

    Raises InputError for a mesh without the axis, one that is none, and for a DeviceMesh on
    another backend than JAX.
    """
    sizes = _read_mesh(mesh)
    if model_axis not in sizes:
        raise InputError(
            f"the mesh has no axis {model_axis!r}",
            [
                ("axes", list_names(list(map(repr, sizes)))),
                ("next", 'name the one that divides the model: layout_map(..., model_axis="...")'),
            ],
        )
    conversion = converted.conversion
    weights = [weight for _, _, weight in conversion.weight_map.weights]
    constants = DividedConstants(weights, sizes[model_axis])
    division = divide_graph(conversion.graph, conversion.plan.space, constants)
    variables = _divide_variables(converted, constants, division, model_axis)
    device_mesh = None if isinstance(mesh, Mapping) else mesh
    return Layouts(sizes, device_mesh, variables)


def _read_mesh(mesh: Any) -> dict[str, int]:
    """Return the sizes of a mesh by name."""
    if isinstance(mesh, keras.distribution.DeviceMesh):
        backend = keras.backend.backend()
        if backend != BACKEND:
            raise InputError(
                f"keras.distribution divides variables on JAX alone, and this is {backend}",
                [
                    ("next", "set KERAS_BACKEND=jax before keras is imported, or"),
                    (
                        "",
                        'plan by sizes, layout_map(converted, {"batch": 2, "model": 4}), and save',
                    ),
                ],
            )
        return dict(zip(mesh.axis_names, mesh.shape, strict=True))
    is_plan = isinstance(mesh, Mapping) and all(
        isinstance(name, str) and isinstance(size, int) and size > 0 for name, size in mesh.items()
    )
    if not is_plan:
        raise InputError(
            f"a {type(mesh).__name__} is no mesh",
            [("next", 'a keras.distribution.DeviceMesh, or sizes: {"batch": 2, "model": 4}')],
        )
    return dict(mesh)


def _divide_variables(
    converted: Converted, constants: DividedConstants, division: Division, axis: str
) -> Iterator[DividedVariable]:
    """Yield how each variable of the model lies on the devices."""
    layouts: dict[int, tuple[int | None, str]] = {}
    for layer, attribute, weight in converted.conversion.weight_map.weights:
        variable = find_variable(converted.layers[layer], attribute)
        layouts[id(variable)] = _divide_weight(weight, constants, division)
    for variable in converted.model.variables:
        place, how = layouts.get(id(variable), (None, "whole: a state of Keras's own"))
        axes = [axis if dim == place else None for dim in range(len(variable.shape))]
        yield DividedVariable(variable.path, tuple(variable.shape), tuple(axes), how)


def _divide_weight(
    weight: Weight, constants: DividedConstants, division: Division
) -> tuple[int | None, str]:
    """Return the dimension of a weight's variable that is divided, None for none; and how."""
    key = constant_key(weight.constant)
    dim = division.dims.get(key)
    found = constants.find_dims(weight.constant)
    if dim is not None:
        how = division.hows.get(key)
        return found[dim].places[weight], "with its channels" if how is None else how.value
    if key not in division.large:
        return None, "whole, as its channels are"
    sizes = " and ".join(str(size) for size in weight.shape if size > 1)
    if all(size % constants.parts for size in weight.shape):
        return None, f"whole: {constants.parts} divides none of {sizes}"
    if constants.parts == 1:
        return None, "whole: one device"
    return None, "whole: its parts are scattered in the module's tensor"
