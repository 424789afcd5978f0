"""SOURCE `hf:PATH`: a model of transformers from a folder of its own, or with random weights from a `config.json`.

Nothing is downloaded, and nothing is unpickled or run that comes with the files: weights are read from safetensors.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.cli.input_shapes import InputShape
from torch2keras.errors import SourceError, UnsafeFileError

CONFIG = "config.json"


PICKLED = (".bin", ".pt", ".pth", ".ckpt")


LENGTH = 16


SECOND = 16000
"""Samples of audio: a second at the rate that speech models take."""


def load_hugging_face(path: str) -> nn.Module:
    """The model that the config names, with the weights that lie beside it.

    Raises SourceError where the path holds no model, or weights for only a part of it; UnsafeFileError where loading
    it would run code of its own.
    """
    place = Path(path).expanduser()
    folder = place if place.is_dir() else place.parent
    config_file = place / CONFIG if place.is_dir() else place
    if not config_file.is_file():
        raise SourceError(
            f"hf:{path} is no model: there is no {config_file}",
            [
                ("why", "nothing is downloaded: a model is a folder on this machine"),
                (
                    "next",
                    f"name a folder with {CONFIG} and safetensors, or a {CONFIG} alone for random weights",
                ),
            ],
        )
    if place.is_dir() and not list(folder.glob("*.safetensors")):
        raise _no_weights(folder)
    transformers = _transformers(path)
    config = _config(transformers, config_file)
    cls = _class(transformers, config, config_file)
    return _loaded(cls, config, folder) if place.is_dir() else cls(config)  # type: ignore[no-any-return]


def example_shapes(module: nn.Module) -> list[InputShape]:
    """Inputs to convert a model of transformers with, where the user gives none; nothing for other modules.

    A text of 16 tokens and its mask, an image of the configured size, a second of audio; batch and length are dynamic.
    """
    name, config = getattr(module, "main_input_name", ""), getattr(module, "config", None)
    if config is None:
        return []
    if name == "input_ids":
        both = InputShape((2, LENGTH), (None, "length"), "int64", name)
        return [both, InputShape(both.sizes, both.names, both.dtype, "attention_mask")]
    if name == "pixel_values" and getattr(config, "image_size", None):
        size = config.image_size
        height, width = size if isinstance(size, list | tuple) else (size, size)
        return [
            InputShape(
                (2, getattr(config, "num_channels", 3), height, width), (None,) * 4, "float32", name
            )
        ]
    if name == "input_values":
        return [InputShape((2, SECOND), (None, "length"), "float32", name)]
    return []


def _transformers(path: str) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from torch2keras.cli.optional_package import package

    return package("transformers", "transformers", f"hf:{path}")


def _no_weights(folder: Path) -> SourceError | UnsafeFileError:
    pickled = [file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLED]
    if not pickled:
        step = f"put model.safetensors beside it, or name {folder / CONFIG} for random weights"
        return SourceError(f"{folder} holds no weights", [("next", step)])
    return UnsafeFileError(
        f"the weights of {folder} are pickled: {', '.join(pickled)}",
        [
            ("why", "reading a pickle can run any code"),
            (
                "next",
                "save them as safetensors where you trust them: model.save_pretrained(FOLDER)",
            ),
        ],
    )


def _config(transformers: Any, file: Path) -> Any:
    """The config. Raises UnsafeFileError where it asks for code that is not transformers' own."""
    import json

    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        if "auto_map" in written:
            raise UnsafeFileError(
                f"{file} asks for code of its own: {', '.join(map(str, written['auto_map'].values()))}",
                [
                    (
                        "next",
                        "load the model yourself where you trust it, and call torch2keras.convert",
                    )
                ],
            )
        return transformers.AutoConfig.from_pretrained(
            str(file), local_files_only=True, trust_remote_code=False
        )
    except (ValueError, KeyError, OSError, AttributeError) as error:
        raise SourceError(
            f"transformers cannot read {file}",
            [
                ("python", f"{type(error).__name__}: {error}".partition("\n")[0]),
                ("next", "mend it there"),
            ],
        ) from error


def _class(transformers: Any, config: Any, file: Path) -> Any:
    """The class that the config names as the model's architecture, else the bare model of its type."""
    named = (getattr(config, "architectures", None) or [None])[0]
    if named is None:
        try:
            return transformers.AutoModel._model_mapping[type(config)]  # noqa: SLF001 - no public way to the class
        except KeyError as error:
            raise SourceError(
                f"{file} names no architecture, and transformers has no model of the type {config.model_type!r}",
                [("next", 'write "architectures": ["BertModel"], for example')],
            ) from error
    if not hasattr(transformers, named):
        raise SourceError(
            f"transformers {transformers.__version__} has no {named}",
            [
                ("file", str(file)),
                ("next", "install the version of transformers that the model was made with"),
            ],
        )
    return getattr(transformers, named)


def _loaded(cls: Any, config: Any, folder: Path) -> Any:
    """The model with its weights. Raises SourceError where some are missing: they would be random."""
    model, found = cls.from_pretrained(
        str(folder),
        config=config,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    missing = sorted(found["missing_keys"])
    if missing:
        raise SourceError(
            f"the weights of {folder} are not all that {cls.__name__} has",
            [
                (
                    "missing",
                    ", ".join(missing[:8])
                    + (f" and {len(missing) - 8} more" if len(missing) > 8 else ""),
                ),
                ("next", 'name the architecture that was trained as "architectures" in the config'),
            ],
        )
    return model
