"""SOURCE `hf:PATH`: a model of transformers, from a folder or from its `config.json` alone.

The `config.json` alone gives the architecture with random weights.

Nothing is downloaded, and nothing is unpickled or run that comes with the files: weights are read
from safetensors.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.cli.input_shapes import InputShape
from torch2keras.cli.optional_package import import_package
from torch2keras.errors import SourceError, UnsafeFileError, list_names

CONFIG = "config.json"


PICKLED = (".bin", ".pt", ".pth", ".ckpt")


BATCH = 2


TOKENS = 16
"""The length of the example text."""


SAMPLES = 16000
"""The length of the example audio: a second at the rate that speech models take."""


def load_hugging_face(path: str) -> nn.Module:
    """Return the model that the config names, with the weights that lie beside it.

    Raises SourceError where the path holds no model, or weights for only a part of it;
    UnsafeFileError where loading it would run code of its own.
    """
    place = Path(path).expanduser()
    is_folder = place.is_dir()
    config_file = place
    if is_folder:
        config_file = place / CONFIG
    if not config_file.is_file():
        raise _no_config(path, config_file)
    if is_folder and not list(place.glob("*.safetensors")):
        raise _no_weights(place)
    transformers = _import_transformers(path)
    config = _read_config(transformers, config_file)
    model_class = _find_class(transformers, config, config_file)
    if is_folder:
        return _load_weights(model_class, config, place)
    model: nn.Module = model_class(config)
    return model


def example_shapes(module: nn.Module) -> list[InputShape]:
    """Return the example inputs of a model of transformers; an empty list for other modules.

    A text of 16 tokens and its mask, an image of the configured size, or a second of audio.
    The batch and the length are dynamic.
    """
    name, config = getattr(module, "main_input_name", ""), getattr(module, "config", None)
    if config is None:
        return []
    if name == "input_ids":
        return [_text_shape(name), _text_shape("attention_mask")]
    if name == "pixel_values" and getattr(config, "image_size", None):
        return [_image_shape(name, config)]
    if name == "input_values":
        return [InputShape((BATCH, SAMPLES), (None, "length"), "float32", name)]
    return []


def _text_shape(name: str) -> InputShape:
    return InputShape((BATCH, TOKENS), (None, "length"), "int64", name)


def _image_shape(name: str, config: Any) -> InputShape:
    height = width = config.image_size
    if isinstance(config.image_size, list | tuple):
        height, width = config.image_size
    channels = getattr(config, "num_channels", 3)
    return InputShape((BATCH, channels, height, width), (None,) * 4, "float32", name)


def _import_transformers(path: str) -> Any:
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    return import_package("transformers", "transformers", f"hf:{path}")


def _no_config(path: str, config_file: Path) -> SourceError:
    step = f"name a folder with {CONFIG} and safetensors, or a {CONFIG} alone for random weights"
    return SourceError(
        f"hf:{path} is no model: there is no {config_file}",
        [
            ("why", "nothing is downloaded: a model is a folder on this machine"),
            ("next", step),
        ],
    )


def _no_weights(folder: Path) -> SourceError | UnsafeFileError:
    pickled = [file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLED]
    if not pickled:
        step = f"put model.safetensors beside it, or name {folder / CONFIG} for random weights"
        return SourceError(f"{folder} holds no weights", [("next", step)])
    step = "save them as safetensors where you trust them: model.save_pretrained(FOLDER)"
    return UnsafeFileError(
        f"the weights of {folder} are pickled: {', '.join(pickled)}",
        [("why", "reading a pickle can run any code"), ("next", step)],
    )


def _read_config(transformers: Any, file: Path) -> Any:
    """Return the config of transformers.

    Raises UnsafeFileError where it asks for code that is not transformers' own, SourceError where
    it is malformed.
    """
    try:
        written = json.loads(file.read_text(encoding="utf-8"))
        if "auto_map" in written:
            raise _own_code(file, written["auto_map"].values())
        return transformers.AutoConfig.from_pretrained(
            str(file), local_files_only=True, trust_remote_code=False
        )
    except (ValueError, KeyError, OSError, AttributeError) as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise SourceError(
            f"transformers cannot read {file}", [("python", why), ("next", "mend it there")]
        ) from error


def _own_code(file: Path, classes: Sequence[Any]) -> UnsafeFileError:
    step = "load the model yourself where you trust it, and call torch2keras.convert"
    names = ", ".join(map(str, classes))
    return UnsafeFileError(f"{file} asks for code of its own: {names}", [("next", step)])


def _find_class(transformers: Any, config: Any, file: Path) -> Any:
    """Return the class of the architecture that the config names.

    Where it names none, it is the bare model of the config's type.
    Raises SourceError where this transformers has neither.
    """
    architectures = getattr(config, "architectures", None)
    if not architectures:
        return _bare_class(transformers, config, file)
    name = architectures[0]
    if not hasattr(transformers, name):
        step = "install the version of transformers that the model was made with"
        raise SourceError(
            f"transformers {transformers.__version__} has no {name}",
            [("file", str(file)), ("next", step)],
        )
    return getattr(transformers, name)


def _bare_class(transformers: Any, config: Any, file: Path) -> Any:
    classes = transformers.AutoModel._model_mapping  # noqa: SLF001 - no public way to the class
    try:
        return classes[type(config)]
    except KeyError as error:
        what = f"transformers has no model of the type {config.model_type!r}"
        raise SourceError(
            f"{file} names no architecture, and {what}",
            [("next", 'write "architectures": ["BertModel"], for example')],
        ) from error


def _load_weights(model_class: Any, config: Any, folder: Path) -> nn.Module:
    """Return the model with its weights.

    Raises SourceError where some are missing: they would be random.
    """
    model: nn.Module
    model, found = model_class.from_pretrained(
        str(folder),
        config=config,
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    missing = sorted(found["missing_keys"])
    if missing:
        step = 'name the architecture that was trained as "architectures" in the config'
        raise SourceError(
            f"the weights of {folder} are not all that {model_class.__name__} has",
            [("missing", list_names(missing)), ("next", step)],
        )
    return model
