"""An input shape that a single layer accepts, in PyTorch's order."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import nn

from torch2keras.errors import InputError
from torch2keras.runtime.isolation import eval_view

BATCH, LENGTH = 2, 20


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


def example_inputs(
    layer: nn.Module, shape: tuple[int, ...] | None = None
) -> tuple[torch.Tensor, ...]:
    """Inputs for one layer: of `shape` if given, else the first shape that it runs on.

    Raises InputError where it runs on none.
    """
    tried = [shape] if shape else list(_candidates(layer))
    failure = ""
    for candidate in tried:
        inputs = _inputs(layer, candidate)
        try:
            with eval_view(layer), torch.no_grad(), torch.random.fork_rng(devices=[]):
                layer(*inputs)
        except Exception as error:  # noqa: BLE001 - whatever is raised beside the error tree is what is looked for
            failure = str(error).partition("\n")[0]
            continue
        return inputs
    raise InputError(
        f"{type(layer).__name__} takes no input of shape {' or '.join(str(list(s)) for s in tried)}: {failure}",
        [("next", "give the shape of its input in PyTorch's order, for example 2,16,100")],
    )


def _candidates(layer: nn.Module) -> Iterator[tuple[int, ...]]:
    """Likely shapes, by the layer's attributes and its name; of a Sequential, by its first layer."""
    first = next(iter(layer), layer) if isinstance(layer, nn.Sequential) else layer
    if isinstance(first, nn.Embedding):
        yield (BATCH, LENGTH)
    channels = next(
        (getattr(first, n) for n in CHANNEL_NAMES if isinstance(getattr(first, n, None), int)), 12
    )
    normal = getattr(first, "normalized_shape", None)
    if normal is not None:
        yield (BATCH, LENGTH, *normal)
    found = CLASS_RANK.search(type(first).__name__)
    ranks = [int(found[1])] if found else [1, 2, 3]
    last = [(BATCH, LENGTH, channels), (BATCH, channels)]
    spatial = [(BATCH, channels, *[LENGTH] * rank) for rank in ranks]
    yield from last + spatial if isinstance(first, nn.Linear | nn.Identity) else spatial + last


def _inputs(layer: nn.Module, shape: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    first = next(iter(layer), layer) if isinstance(layer, nn.Sequential) else layer
    if isinstance(first, nn.Embedding):
        return (torch.randint(0, first.num_embeddings, shape, generator=generator),)
    if isinstance(first, nn.Bilinear):
        return tuple(
            torch.randn(BATCH, size, generator=generator)
            for size in (first.in1_features, first.in2_features)
        )
    return (torch.randn(shape, generator=generator),)
