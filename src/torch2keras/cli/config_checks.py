"""What a `config.json` may say before transformers reads it: sizes and names, and nothing to open.

A config is data that a stranger wrote, yet transformers and timm take from it files to unpickle
(`model_args.checkpoint_path`), code to import (`auto_map`) and kernels to load
(`_attn_implementation`). So nothing is handed on that asks for code, or that reads like a path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch2keras.errors import SourceError, Torch2KerasError, UnsafeFileError

DROPPED = frozenset(
    {"_name_or_path", "name_or_path", "pretrained_cfg", "task_specific_params", "custom_pipelines"}
)
"""Where a model came from, and what its authors did with it: no part of the model."""


LABELS = frozenset({"id2label", "label2id", "label_names"})
"""Words for people, in which a stroke is no path."""


CODE = frozenset({"auto_map"})


ARGUMENTS = {
    "model_args": frozenset[str](),
    "backbone_kwargs": frozenset({"out_indices", "in_chans", "output_stride", "features_only"}),
}
"""Keyword arguments of `timm.create_model`, which opens files, and those that name none."""


QUANTIZED = "quantization_config"


PATH = re.compile(
    r"""[/\\]                                                   # a folder, an address
      | ^[~.]                                                   # from home, from here
      | ^(hf[-_]hub|local-dir|file|https?|s3|gs)\s*:            # timm's schemes, and others
      | \.(bin|pt2?|pth|ckpt|pkl|pickle|np[yz]|h5|safetensors|gguf|onnx|msgpack|py|so|json)$
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What a string has that may name a file."""


TOKEN = re.compile(r"</?[\w|]+>")
"""A token of a vocabulary, as `</s>`."""


PATH_KEY = re.compile(r"_(path|file|dir|folder|url)$", re.IGNORECASE)


LARGEST = 10**8
"""No size of a model that fits a machine is larger."""


MOST_PARTS = 10**4
"""No model has as many layers, and each takes time to make."""


MOST_LABELS = 10**6


def read_config_file(file: Path) -> dict[str, Any]:
    """Return what a `config.json` says, without what is no part of the model.

    Raises UnsafeFileError where it asks for code of its own or for files, SourceError where it is
    malformed or names sizes that no machine has.
    """
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, OSError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise unreadable_config(file, why) from error
    if not isinstance(written, dict):
        raise unreadable_config(file, "it holds no JSON object")
    kept: dict[str, Any] = _drop_origins(written)
    for place, key, value in _walk(kept):
        _check_value(file, place, key, value)
    return kept


def unreadable_config(file: Path, why: str) -> SourceError:
    """Return the error for a config of which transformers makes nothing."""
    return SourceError(
        f"transformers cannot read {file}", [("python", why), ("next", "mend it there")]
    )


def _drop_origins(value: Any) -> Any:
    """Return the config without the keys that are no part of the model, at any depth.

    Weights come from the folder, so none are asked for from elsewhere.
    """
    if isinstance(value, list):
        return [_drop_origins(part) for part in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, part in value.items():
        if key == "use_pretrained_backbone":
            kept[key] = False
        elif key not in DROPPED:
            kept[key] = _drop_origins(part)
    return kept


def _walk(config: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str, Any]]:
    """Yield (place, key, value) of all that a config says; a list's elements have its key."""
    for key, value in config.items():
        yield from _walk_value(value, f"{place}.{key}".lstrip("."), key)


def _walk_value(value: Any, place: str, key: str) -> Iterator[tuple[str, str, Any]]:
    yield place, key, value
    if key in LABELS:
        return
    if isinstance(value, dict):
        yield from _walk(value, place)
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _walk_value(part, f"{place}.{number}", key)


def _check_value(file: Path, place: str, key: str, value: Any) -> None:
    if key in CODE and value:
        raise _own_code(file, value)
    if key in ARGUMENTS:
        _check_arguments(file, place, value, ARGUMENTS[key])
    if key == QUANTIZED and value:
        step = "save the model unquantized, model.dequantize().save_pretrained(FOLDER)"
        raise SourceError(f"the weights that {file} describes are quantized", [("next", step)])
    if isinstance(value, str) and _may_name_file(key, value):
        raise _names_file(file, place, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        _check_size(file, place, key, value)


def _may_name_file(key: str, value: str) -> bool:
    if not value or TOKEN.fullmatch(value):
        return False
    return bool(PATH_KEY.search(key) or PATH.search(value))


def _check_arguments(file: Path, place: str, value: Any, harmless: frozenset[str]) -> None:
    """Raise UnsafeFileError where timm would be given arguments that may open a file."""
    if not value:
        return
    others = sorted(set(value) - harmless) if isinstance(value, dict) else [repr(value)]
    if others:
        raise _unsafe(
            f"{file} gives arguments to timm: {place} has {', '.join(others)}",
            "timm opens, and may unpickle, the files that such arguments name",
        )


def _check_size(file: Path, place: str, key: str, value: float) -> None:
    most = LARGEST
    if "layer" in key or "depth" in key or "block" in key:
        most = MOST_PARTS
    elif "label" in key:
        most = MOST_LABELS
    if "theta" in key or "eps" in key or value <= most:
        return
    if isinstance(value, float) and not value.is_integer():
        return
    step = f"mend the number there; the largest that is taken is {most:,}"
    raise SourceError(f"{file} asks for {place} = {value}", [("next", step)])


def _own_code(file: Path, classes: Any) -> UnsafeFileError:
    names = classes
    if isinstance(classes, dict):
        names = ", ".join(map(str, classes.values()))
    return _unsafe(f"{file} asks for code of its own: {names}", "it would run when it is loaded")


def _names_file(file: Path, place: str, value: str) -> Torch2KerasError:
    return _unsafe(
        f"{file} names a file, or what may be one: {place} = {value!r}",
        "a folder of data opens no files but its own config.json and safetensors",
    )


def _unsafe(headline: str, why: str) -> UnsafeFileError:
    step = "load the model yourself where you trust it, and call torch2keras.convert"
    return UnsafeFileError(headline, [("why", why), ("next", step)])
