"""An input shape that a single layer accepts, in PyTorch's order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.runtime.isolation import check_initialised, isolate_module
from torch2keras.runtime.native_attributes import submodules

BATCH, LENGTH = 2, 20


CHANNELS = 12
"""The channels of a layer that does not say how many it takes; 12 has many divisors."""


CHANNEL_NAMES = (
    "in_channels",
    "num_features",
    "num_channels",
    "in_features",
    "num_parameters",
    "input_size",
    "embed_dim",
)


CLASS_RANK = re.compile(r"([123])d")
"""The number of spatial dimensions in the name of a class: Conv1d."""


def example_inputs(
    layer: nn.Module, shape: tuple[int, ...] | None = None
) -> tuple[torch.Tensor, ...]:
    """Return inputs for one layer: of `shape` if given, else of the first shape that it runs on.

    Raises InputError where it runs on none, or has parameters without values.
    """
    check_initialised(submodules(layer))
    shapes = list(_likely_shapes(_first_layer(layer)))
    if shape is not None:
        shapes = [shape]
    failure = ""
    for candidate in shapes:
        inputs = _draw_inputs(_first_layer(layer), candidate)
        try:
            _run(layer, inputs)
        except Exception as error:  # noqa: BLE001 - whatever is raised, another shape may fit
            failure = str(error).partition("\n")[0]
        else:
            return inputs
    tried = " or ".join(str(list(s)) for s in shapes)
    raise InputError(
        f"{type(layer).__name__} takes no input of shape {tried}: {failure}",
        [("next", "give the shape of its input in PyTorch's order, for example 2,16,100")],
    )


def _run(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
    """Run a layer, and leave it and the process as they were."""
    with isolate_module(layer, copy_state=True), torch.no_grad():
        layer(*inputs)


def _first_layer(layer: nn.Module) -> nn.Module:
    """Return what reads the input: the first layer of a Sequential, or the layer itself."""
    if isinstance(layer, nn.Sequential) and len(layer):
        return layer[0]
    return layer


def _likely_shapes(layer: nn.Module) -> Iterator[tuple[int, ...]]:
    """Yield likely shapes by the layer's attributes and name, the likeliest first."""
    if isinstance(layer, nn.Embedding):
        yield (BATCH, LENGTH)
    normalized = getattr(layer, "normalized_shape", None)
    if normalized is not None:
        yield (BATCH, LENGTH, *normalized)
    channels = _channel_count(layer)
    channels_last = [(BATCH, LENGTH, channels), (BATCH, channels)]
    ranks = [1, 2, 3]
    named_rank = CLASS_RANK.search(type(layer).__name__)
    if named_rank is not None:
        ranks = [int(named_rank[1])]
    channels_first = [(BATCH, channels, *[LENGTH] * rank) for rank in ranks]
    if isinstance(layer, nn.Linear | nn.Identity):
        yield from channels_last
        yield from channels_first
    else:
        yield from channels_first
        yield from channels_last


def _channel_count(layer: nn.Module) -> int:
    for name in CHANNEL_NAMES:
        count = getattr(layer, name, None)
        if isinstance(count, int):
            return count
    return CHANNELS


def _draw_inputs(layer: nn.Module, shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    if isinstance(layer, nn.Embedding):
        return (torch.randint(0, layer.num_embeddings, shape, generator=generator),)
    if isinstance(layer, nn.Bilinear):
        first = torch.randn(BATCH, layer.in1_features, generator=generator)
        second = torch.randn(BATCH, layer.in2_features, generator=generator)
        return first, second
    return (torch.randn(shape, generator=generator),)
