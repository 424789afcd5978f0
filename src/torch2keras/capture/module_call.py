"""The example call of a module as its users write it: a tensor, a mapping, a transformers model."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from torch2keras.runtime.native_attributes import instance_dict

CACHE = "use_cache"


PASTS = ("past_key_values", "cache", "cache_params")
"""The arguments by which transformers takes the cache of earlier steps, by version."""


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
    """Return the call that `convert(module, args, kwargs)` means.

    `args` may be one tensor, or a mapping of keywords as tokenizers give it. A transformers model
    that would give the cache of a decoder, which nobody asked for, is called with
    `use_cache=False`; one that was asked for is a part of the inputs and outputs.
    """
    keywords = dict(kwargs or {})
    if isinstance(args, torch.Tensor):
        args = (args,)
    elif isinstance(args, Mapping):
        args, keywords = (), {**args, **keywords}
    if not isinstance(module, nn.Module) or not _may_cache(module):
        return ModuleCall(tuple(args), keywords)
    has_past = any(keywords.get(name) is not None for name in PASTS)
    if CACHE not in keywords and not has_past:
        return ModuleCall(tuple(args), {**keywords, CACHE: False}, (WITHOUT_CACHE,))
    _register_caches()
    return ModuleCall(tuple(args), keywords)


def _may_cache(module: nn.Module) -> bool:
    """Whether forward gives a cache unless it is told not to."""
    wanted = any(getattr(config, CACHE, False) for config in _find_configs(module))
    return wanted and _takes_cache(inspect.signature(module.forward).parameters)


def _takes_cache(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether a forward of these parameters is told whether to give a cache; some by `**kwargs`."""
    if CACHE in parameters:
        return True
    kinds = [parameter.kind for parameter in parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds and not parameters.keys().isdisjoint(PASTS)


def _find_configs(module: nn.Module) -> Iterator[Any]:
    """Yield the config of a transformers model, and those of its parts that may cache."""
    config = (instance_dict(module) or {}).get("config")
    if not _is_of_transformers(config):
        return
    yield config
    yield from filter(_is_of_transformers, vars(config).values())


def _is_of_transformers(config: object) -> bool:
    """Whether a config is transformers' own; another library's may raise when it is asked."""
    packages = (cls.__module__.partition(".")[0] for cls in type(config).__mro__)
    return "transformers" in packages


def _register_caches() -> None:
    """Let PyTorch take transformers' caches for nests of tensors, as its own exporter does."""
    executorch = importlib.import_module("transformers.integrations.executorch")
    executorch.register_dynamic_cache_export_support()
    both = importlib.import_module("transformers").EncoderDecoderCache
    if both not in pytree.SUPPORTED_NODES:
        pytree.register_pytree_node(
            both,
            _flatten_cache,
            lambda parts, _: both(*parts),
            serialized_type_name=f"{both.__module__}.{both.__name__}",
            flatten_with_keys_fn=_flatten_cache_with_keys,
        )


def _flatten_cache(cache: Any) -> tuple[list[Any], None]:
    return [getattr(cache, name) for name in DECODER_AND_ENCODER], None


def _flatten_cache_with_keys(cache: Any) -> tuple[list[tuple[Any, Any]], None]:
    parts, _ = _flatten_cache(cache)
    keys = map(pytree.GetAttrKey, DECODER_AND_ENCODER)
    return list(zip(keys, parts, strict=True)), None
