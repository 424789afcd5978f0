"""Example inputs that a layer or a net accepts, in PyTorch's order, where the user gives none."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import nn

from torch2keras.errors import InputError
from torch2keras.runtime.isolation import check_initialised, isolate_module
from torch2keras.runtime.native_attributes import submodules

Inputs: TypeAlias = tuple[torch.Tensor, ...]
Given: TypeAlias = torch.Tensor | Sequence[torch.Tensor] | Sequence[int] | Sequence[Sequence[int]]
"""The inputs of a module, or the shape of its one input, or those of several."""

BATCH, LENGTH, OTHER_LENGTH = 2, 20, 13

LENGTHS = (32, 64, 224)
"""Lengths that are tried where LENGTH does not fit."""

MOST_ELEMENTS = 2**20
"""Elements of the largest input that is tried."""

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


def example_inputs(module: nn.Module, given: Given | None = None) -> Inputs:
    """Return inputs for a layer or net: those given, or the first that it runs on.

    `given` are tensors, or a shape in PyTorch's order, or a shape for each input.
    Raises InputError where it runs on none, or has parameters without values.
    """
    check_initialised(submodules(module))
    failure, tried = "", []
    for inputs in _candidates(module, given):
        shapes = [list(x.shape) for x in inputs]
        try:
            _run(module, inputs)
        except Exception as error:  # noqa: BLE001 - whatever is raised, another shape may fit
            failure = failure or str(error).partition("\n")[0]
            tried.append(", ".join(map(str, shapes)))
        else:
            return inputs
    named = " or ".join(dict.fromkeys(tried[:MOST_NAMED]))
    raise InputError(
        f"{type(module).__name__} takes no input of shape {named}: {failure}",
        [("next", "give the shape of its input in PyTorch's order, for example 2,16,100")],
    )


MOST_NAMED = 3
"""Shapes that a message names."""


def batch_dimension(module: nn.Module) -> int:
    """Return the dimension of the batch: 1 for PyTorch's layers that take sequences time first."""
    is_sequence_layer = _find_maker(module) in (
        _make_sequence,
        _make_attention,
        _make_encoded,
        _make_decoded,
    )
    if not is_sequence_layer:
        return 0
    layer = module if isinstance(module, nn.RNNBase) else _first_attention(module)
    return 0 if layer.batch_first else 1


def _candidates(module: nn.Module, given: Given | None) -> Iterator[Inputs]:
    """Yield the inputs given, or likely ones, the likeliest first."""
    generator = torch.Generator().manual_seed(0)
    first = _first_layer(module)
    if given is None:
        yield from _likely_inputs(module, first, generator)
        return
    if isinstance(given, torch.Tensor):
        yield (given,)
        return
    tensors = tuple(item for item in given if isinstance(item, torch.Tensor))
    if tensors:
        yield tensors
        return
    numbers = tuple(item for item in given if isinstance(item, int))
    shapes = [numbers]
    if not numbers:
        shapes = [tuple(item) for item in given if isinstance(item, Sequence)]
    yield tuple(_draw(first, shape, generator) for shape in shapes)


def _run(module: nn.Module, inputs: Inputs) -> None:
    """Run a module, and leave it and the process as they were."""
    with isolate_module(module, copy_state=True), torch.no_grad():
        module(*inputs)


def _first_layer(module: nn.Module) -> nn.Module:
    """Return the layer that probably reads the input: the first that says what it takes.

    A layer of torch.nn that has inputs of its own kind, as Transformer, counts as one.
    """
    layers = [part for part in module.modules() if _is_layer(part)]
    return next(iter(layers), module)


def _is_layer(part: nn.Module) -> bool:
    if _find_maker(part) is not None:
        return True
    has_channels = any(isinstance(getattr(part, name, None), int) for name in CHANNEL_NAMES)
    return has_channels or not list(part.children())


def _likely_inputs(
    module: nn.Module, first: nn.Module, generator: torch.Generator
) -> Iterator[Inputs]:
    count = _count_inputs(module)
    make = _find_maker(first)
    if make is not None:
        yield make(first, generator)[:count]
    for shape in _likely_shapes(first):
        if math.prod(shape) <= MOST_ELEMENTS:
            yield tuple(_draw(first, shape, generator) for _ in range(count))


def _count_inputs(module: nn.Module) -> int:
    """Return how many inputs a module requires: at least one."""
    required = [
        parameter
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_POSITIONAL
    ]
    return max(len(required), 1)


def _likely_shapes(layer: nn.Module) -> Iterator[tuple[int, ...]]:
    """Yield likely shapes by the layer's attributes and name, the likeliest first."""
    normalized = getattr(layer, "normalized_shape", None)
    if normalized is not None:
        yield (BATCH, LENGTH, *normalized)
    channels = _channel_count(layer)
    ranks = [1, 2, 3]
    named_rank = CLASS_RANK.search(type(layer).__name__)
    if named_rank is not None:
        ranks = [int(named_rank[1])]
    channels_first = []
    for length, rank in product(_likely_lengths(layer), ranks):
        channels_first.append((BATCH, channels, *[length] * rank))
    channels_last = [(BATCH, LENGTH, channels), (BATCH, channels)]
    if named_rank is not None:
        yield from channels_first
    elif isinstance(layer, nn.Linear | nn.Identity):
        yield from channels_last
        yield from channels_first
    else:
        yield from channels_first
        yield from channels_last


def _likely_lengths(layer: nn.Module) -> list[int]:
    """Return the usual length, one that the layer's kernel fits into several times, and others."""
    reach = 1
    kernel, dilation = getattr(layer, "kernel_size", 1), getattr(layer, "dilation", 1)
    sizes = kernel if isinstance(kernel, tuple) else (kernel,)
    steps = dilation if isinstance(dilation, tuple) else (dilation,) * len(sizes)
    for size, step in zip(sizes, steps, strict=False):
        if isinstance(size, int) and isinstance(step, int):
            reach = max(reach, step * (size - 1) + 1)
    return list(dict.fromkeys([max(LENGTH, 2 * reach), *LENGTHS]))


def _channel_count(layer: nn.Module) -> int:
    for name in CHANNEL_NAMES:
        count = getattr(layer, name, None)
        if isinstance(count, int):
            return count
    return CHANNELS


def _draw(layer: nn.Module, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Return an input for a layer: numbers of rows for an embedding, else normal numbers."""
    if isinstance(layer, nn.Embedding | nn.EmbeddingBag):
        return torch.randint(0, layer.num_embeddings, shape, generator=generator)
    return torch.randn(shape, generator=generator)


# Layers whose inputs are of a kind of their own.

Maker: TypeAlias = Callable[[Any, torch.Generator], Inputs]
"""Returns inputs for a layer."""


def _make_ids(layer: Any, generator: torch.Generator) -> Inputs:
    return (_draw(layer, (BATCH, LENGTH), generator),)


def _make_pair(layer: nn.Bilinear, generator: torch.Generator) -> Inputs:
    sizes = (layer.in1_features, layer.in2_features)
    return tuple(torch.randn(BATCH, size, generator=generator) for size in sizes)


def _make_sequence(layer: nn.RNNBase, generator: torch.Generator) -> Inputs:
    return (_draw_sequence(layer, LENGTH, layer.input_size, generator),)


def _make_step(layer: nn.RNNCellBase, generator: torch.Generator) -> Inputs:
    return (torch.randn(BATCH, layer.input_size, generator=generator),)


def _draw_sequence(layer: Any, length: int, width: int, generator: torch.Generator) -> torch.Tensor:
    """Return a sequence with the batch in the dimension that the layer takes it in."""
    x = torch.randn(BATCH, length, width, generator=generator)
    return x if layer.batch_first else x.transpose(0, 1).contiguous()


def _make_attention(layer: nn.MultiheadAttention, generator: torch.Generator) -> Inputs:
    sizes = ((LENGTH, layer.embed_dim), (OTHER_LENGTH, layer.kdim), (OTHER_LENGTH, layer.vdim))
    return tuple(_draw_sequence(layer, *size, generator) for size in sizes)


def _first_attention(layer: nn.Module) -> nn.MultiheadAttention:
    return next(part for part in layer.modules() if isinstance(part, nn.MultiheadAttention))


def _make_encoded(layer: nn.Module, generator: torch.Generator) -> Inputs:
    one = _first_attention(layer)
    return (_draw_sequence(one, LENGTH, one.embed_dim, generator),)


def _make_decoded(layer: nn.Module, generator: torch.Generator) -> Inputs:
    """Return the target and the memory of a decoder, or the source and target of a Transformer."""
    one = _first_attention(layer)
    lengths = (LENGTH, OTHER_LENGTH)
    return tuple(_draw_sequence(one, n, one.embed_dim, generator) for n in lengths)


def _make_pooled(layer: Any, generator: torch.Generator) -> Inputs:
    """Return what a max pooling of the same options gives, and where its elements were."""
    name = f"max_pool{len(layer.kernel_size)}d"
    x = torch.randn(BATCH, CHANNELS, *[LENGTH] * len(layer.kernel_size), generator=generator)
    pool = getattr(F, name)
    return tuple(pool(x, layer.kernel_size, layer.stride, layer.padding, return_indices=True))


def _make_columns(layer: nn.Fold, generator: torch.Generator) -> Inputs:
    """Return the patches of an image of the size that they are put together to."""
    sizes = [layer.output_size] * 2 if isinstance(layer.output_size, int) else layer.output_size
    image = torch.randn(BATCH, CHANNELS, *sizes, generator=generator)
    options = (layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    return (F.unfold(image, *options),)


def _make_logits(_: Any, generator: torch.Generator) -> Inputs:
    scores = torch.randn(BATCH, CHANNELS, LENGTH, generator=generator)
    return scores, torch.randint(0, CHANNELS, (BATCH, LENGTH), generator=generator)


def _make_probabilities(_: Any, generator: torch.Generator) -> Inputs:
    first, second = torch.rand(2, BATCH, CHANNELS, LENGTH, generator=generator).unbind()
    return first, second


MAKERS: Mapping[type[nn.Module], Maker] = {
    nn.Embedding: _make_ids,
    nn.EmbeddingBag: _make_ids,
    nn.Bilinear: _make_pair,
    nn.RNNBase: _make_sequence,
    nn.RNNCellBase: _make_step,
    nn.MultiheadAttention: _make_attention,
    nn.TransformerEncoder: _make_encoded,
    nn.TransformerEncoderLayer: _make_encoded,
    nn.TransformerDecoder: _make_decoded,
    nn.TransformerDecoderLayer: _make_decoded,
    nn.Transformer: _make_decoded,
    nn.MaxUnpool1d: _make_pooled,
    nn.MaxUnpool2d: _make_pooled,
    nn.MaxUnpool3d: _make_pooled,
    nn.Fold: _make_columns,
    nn.NLLLoss: _make_logits,
    nn.CrossEntropyLoss: _make_logits,
    nn.BCELoss: _make_probabilities,
}
"""Class -> what makes its inputs; subclasses have those of their base."""


def _find_maker(layer: nn.Module) -> Maker | None:
    """Return what makes the inputs of a layer of its kind."""
    for cls in type(layer).__mro__:
        if cls in MAKERS:
            return MAKERS[cls]
    return None
