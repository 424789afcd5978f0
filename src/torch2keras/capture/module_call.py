"""The example call of a module, as its users write it: one tensor, a mapping of keywords, a transformers model."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

CACHE = "use_cache"


PAST = "past_key_values"


DECODER_AND_ENCODER = ("self_attention_cache", "cross_attention_cache")
"""The two parts of an EncoderDecoderCache."""


WITHOUT_CACHE = (
    "use_cache=False is set: the model takes and gives no keys and values of earlier steps; "
    "ask for them with use_cache=True."
)


@dataclass(frozen=True)
class ModuleCall:
    """`module(*args, **kwargs)`; `notes` say what was added, each in a sentence."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    notes: tuple[str, ...] = ()


def to_module_call(module: nn.Module, args: Any, kwargs: Mapping[str, Any] | None) -> ModuleCall:
    """The call that `convert(module, args, kwargs)` means.

    `args` may be one tensor, or a mapping of keywords as tokenizers give it. A transformers model that would give the
    cache of a decoder, which nobody asked for, is called with `use_cache=False`; one that was asked for is a part of
    the inputs and outputs.
    """
    keywords = dict(kwargs or {})
    if isinstance(args, torch.Tensor):
        args = (args,)
    elif isinstance(args, Mapping):
        args, keywords = (), {**args, **keywords}
    if not isinstance(module, nn.Module) or not _may_cache(module):
        return ModuleCall(tuple(args), keywords)
    if CACHE not in keywords and keywords.get(PAST) is None:
        return ModuleCall(tuple(args), {**keywords, CACHE: False}, (WITHOUT_CACHE,))
    _open_caches()
    return ModuleCall(tuple(args), keywords)


def _may_cache(module: nn.Module) -> bool:
    """Whether forward gives a cache unless it is told not to."""
    config = getattr(module, "config", None)
    configs = (
        (config, *(part for part in vars(config).values() if hasattr(part, CACHE)))
        if config is not None
        else ()
    )
    wanted = any(getattr(part, CACHE, False) for part in configs)
    return wanted and CACHE in inspect.signature(module.forward).parameters


def _open_caches() -> None:
    """Let the tensors of transformers' caches be inputs and outputs; a DynamicCache's as its own exporter does."""
    importlib.import_module(
        "transformers.integrations.executorch"
    ).register_dynamic_cache_export_support()
    both = importlib.import_module("transformers").EncoderDecoderCache
    if both not in pytree.SUPPORTED_NODES:
        pytree.register_pytree_node(
            both,
            lambda cache: ([getattr(cache, name) for name in DECODER_AND_ENCODER], None),
            lambda parts, _: both(*parts),
            serialized_type_name=f"{both.__module__}.{both.__name__}",
            flatten_with_keys_fn=lambda cache: (
                [(pytree.GetAttrKey(name), getattr(cache, name)) for name in DECODER_AND_ENCODER],
                None,
            ),
        )
