"""SOURCE `hf:PATH`: a model of transformers, from a folder or from its `config.json` alone.

The `config.json` alone gives the architecture with random weights.

Nothing is downloaded, and nothing is unpickled or run that comes with the files: `config_checks`
reads the config, `safetensors_files` the weights, and transformers opens no file itself.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.checkpoints.safetensors_files import find_weight_files, read_folder
from torch2keras.cli.config_checks import read_config_file, unreadable_config
from torch2keras.errors import SourceError, Torch2KerasError, list_names
from torch2keras.runtime.free_memory import require_room
from torch2keras.runtime.optional_package import import_package
from torch2keras.runtime.paths import is_file, is_folder

CONFIG = "config.json"


TIMM_WRAPPER, TIMM_BACKBONE = "timm_wrapper", "timm_backbone"


TIMM_FLOOR = (1, 0, 26)
"""The first timm that unpickles no checkpoint unasked (`weights_only=True` in its _helpers.py)."""


def load_hugging_face(path: str) -> nn.Module:
    """Return the model that the config names, with the weights that lie beside it.

    Raises SourceError where the path holds no model, or weights for only a part of it;
    UnsafeFileError where loading it would run code of its own or open files elsewhere.
    """
    place = Path(path).expanduser()
    has_folder = is_folder(place)
    config_file = place / CONFIG if has_folder else place
    if not is_file(config_file):
        raise _no_config(path, config_file)
    if has_folder:
        find_weight_files(place)
    written = read_config_file(config_file)
    transformers = _import_transformers(path)
    config = _make_config(transformers, written, config_file)
    model_class = _find_class(transformers, config, config_file)
    with blame_config(config_file, "transformers"):
        require_room(lambda: model_class(config), str(config_file))
        if has_folder:
            return _load_weights(model_class, config, place)
        model: nn.Module = model_class(config)
        return model


@contextmanager
def blame_config(file: Path, package: str) -> Iterator[None]:
    """Turn what a model's constructor raises into a SourceError that names the config."""
    try:
        yield
    except Torch2KerasError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        step = f"mend the config, or install the version of {package} that wrote it"
        raise SourceError(
            f"{package} makes no model of {file}", [("python", why), ("next", step)]
        ) from error


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


def _make_config(transformers: Any, written: dict[str, Any], file: Path) -> Any:
    """Return the config of transformers, which reads what was checked, and not the file again.

    Raises SourceError where it refuses what is written.
    """
    _require_safe_timm(written, file)
    try:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / CONFIG).write_text(json.dumps(written), encoding="utf-8")
            return transformers.AutoConfig.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    except Exception as error:  # each value of each class is checked in its own way
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise unreadable_config(file, why) from error


def _require_safe_timm(written: dict[str, Any], file: Path) -> None:
    """Raise SourceError for a model of timm's where timm is older than TIMM_FLOOR."""
    text = json.dumps(written)
    if TIMM_WRAPPER not in text and TIMM_BACKBONE not in text:
        return
    try:
        installed = metadata.version("timm")
    except metadata.PackageNotFoundError:
        return  # transformers says so itself
    numbers = tuple(int(number) for number in re.findall(r"\d+", installed)[:3])
    if numbers < TIMM_FLOOR:
        floor = ".".join(map(str, TIMM_FLOOR))
        raise SourceError(
            f"{file} needs timm {floor}, and timm {installed} is installed",
            [("why", "older ones unpickle files"), ("next", f"pip install 'timm>={floor}'")],
        )


def _find_class(transformers: Any, config: Any, file: Path) -> Any:
    """Return the class of the architecture that the config names.

    Where it names none, it is the bare model of the config's type.
    Raises SourceError where this transformers has neither, or where it is no model.
    """
    architectures = getattr(config, "architectures", None)
    if not architectures:
        return _bare_class(transformers, config, file)
    rows = [("file", str(file))]
    name, found = architectures, None
    if isinstance(architectures, list):
        name = architectures[0]
    if isinstance(name, str) and name is not architectures:
        found = getattr(transformers, name, None)
    if found is None:
        step = "install the version of transformers that the model was made with"
        raise SourceError(
            f"transformers {transformers.__version__} has no {name}", [*rows, ("next", step)]
        )
    if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel):
        return found
    needed = ", ".join(getattr(found, "_backends", ()))
    if needed:
        raise SourceError(f"{name} needs {needed}", [*rows, ("next", f"pip install {needed}")])
    step = 'write the class of the model as "architectures", for example ["BertModel"]'
    raise SourceError(f"{name} is no model of transformers", [*rows, ("next", step)])


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
        None,
        config=config,
        state_dict=read_folder(folder),
        local_files_only=True,
        trust_remote_code=False,
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
