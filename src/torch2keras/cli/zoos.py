"""The zoos of a SOURCE: architectures of other packages by name, with random weights.

A package is imported only when it is asked for, and nothing is downloaded: weights come from a
folder, or from a file that the user names.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.checkpoints.checkpoint_files import Checkpoint
from torch2keras.checkpoints.checkpoint_names import fit_module
from torch2keras.checkpoints.safetensors_files import read_folder
from torch2keras.cli.config_checks import read_config_file
from torch2keras.cli.hugging_face import blame_config, load_hugging_face
from torch2keras.cli.torchscript import load_program
from torch2keras.errors import SourceError
from torch2keras.runtime.free_memory import require_room
from torch2keras.runtime.optional_package import import_package
from torch2keras.runtime.paths import is_file, is_folder

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model"
"""How diffusers calls the files of weights."""


TIMM_ENCODER = "tu-"
"""What stands before the name of a timm model as an encoder; smp does not list these."""


def _load_torchvision(name: str) -> Any:
    models = import_package("torchvision.models", "torchvision", f"torchvision:{name}")
    _require_known(name, models.list_models(), "torchvision")
    builder = models.get_model_builder(name)
    # Detectors and segmenters would download the weights of their backbone.
    parameters = inspect.signature(builder).parameters
    without = {key: None for key in ("weights", "weights_backbone") if key in parameters}
    return builder(**without)


def _load_timm(name: str) -> Any:
    timm = import_package("timm", "timm", f"timm:{name}")
    _require_known(name.partition(".")[0], timm.list_models(), "timm")
    return timm.create_model(name, pretrained=False)


def _load_ultralytics(name: str) -> Any:
    """Return the network of a YOLO or RT-DETR, by the name of its yaml with or without a scale."""
    os.environ.setdefault("YOLO_OFFLINE", "1")
    os.environ.setdefault("YOLO_VERBOSE", "False")
    ultralytics = import_package("ultralytics", "ultralytics", f"ultralytics:{name}")
    folder = Path(ultralytics.__file__).parent / "cfg" / "models"
    known = {file.stem for file in folder.rglob("*.yaml")}
    # yolo11n-seg is the file yolo11-seg.yaml, taken at the scale n.
    unscaled = re.sub(r"(\d)[nslmx](?=-|$)", r"\1", name)
    if name not in known:
        _require_known(unscaled, known, "ultralytics")
    maker = ultralytics.RTDETR if name.startswith("rtdetr") else ultralytics.YOLO
    return maker(f"{name}.yaml").model


def _load_smp(name: str) -> Any:
    """Return a model of segmentation_models_pytorch; behind a second colon stands its encoder."""
    package = "segmentation_models_pytorch"
    smp = import_package(package, package, f"smp:{name}")
    architecture, _, encoder = name.partition(":")
    known = {found.__name__: found for found in smp.MODEL_ARCHITECTURES_MAPPING.values()}
    _require_known(architecture, known, package)
    options: dict[str, Any] = {"encoder_weights": None}
    if encoder:
        if not encoder.startswith(TIMM_ENCODER):
            _require_known(encoder, smp.encoders.get_encoder_names(), package)
        options["encoder_name"] = encoder
    return known[architecture](**options)


def _load_diffusers(path: str) -> Any:
    """Return the model of a folder that diffusers has saved, or of its config.json alone."""
    place = Path(path).expanduser()
    has_folder = is_folder(place)
    config_file = place
    if has_folder:
        config_file = place / "config.json"
    if is_file(place / "model_index.json"):
        parts = [str(part.parent) for part in sorted(place.glob("*/config.json"))]
        rows = [("models", ", ".join(parts)), ("next", "name one of these folders")]
        raise SourceError(f"{place} is a pipeline of several models", rows)
    if not is_file(config_file):
        step = "name a folder that diffusers has saved, or its config.json for random weights"
        raise SourceError(f"there is no {config_file}", [("next", step)])
    config = read_config_file(config_file)
    diffusers = import_package("diffusers", "diffusers", f"diffusers:{path}")
    name = str(config.get("_class_name"))
    found = getattr(diffusers, name, None)
    if not (isinstance(found, type) and issubclass(found, diffusers.ModelMixin)):
        raise SourceError(
            f"{config_file} names no model of diffusers: its _class_name is {name}",
            [("next", "name the folder of one model, as of a UNet2DModel")],
        )
    model = _make_diffusers(found, config, config_file)
    if has_folder:
        weights = Checkpoint(place, {"": read_folder(place, DIFFUSERS_WEIGHTS)})
        model.load_state_dict(fit_module(weights, model).state)
    return model


def _make_diffusers(found: Any, config: Any, file: Path) -> nn.Module:
    """Return the model of a config. Raises SourceError where its constructor refuses it."""

    def make() -> nn.Module:
        made: nn.Module = found.from_config(config)
        return made

    with blame_config(file, "diffusers"):
        require_room(make, str(file))
        return make()


ZOOS: dict[str, Callable[..., Any]] = {
    "torchvision": _load_torchvision,
    "timm": _load_timm,
    "hf": load_hugging_face,
    "ultralytics": _load_ultralytics,
    "smp": _load_smp,
    "diffusers": _load_diffusers,
    "torchscript": load_program,
}
"""What stands before the colon -> how the name behind it is loaded."""


FOLDERS = ("hf", "diffusers")
"""The zoos whose names are folders, with weights beside the config."""


TRAINED = ("torchscript",)
"""The zoos whose files have weights."""


def has_random_weights(source: str) -> bool:
    """Return whether a SOURCE names an architecture alone."""
    zoo, _, name = source.partition(":")
    if zoo in FOLDERS:
        return not is_folder(Path(name).expanduser())
    return zoo in ZOOS and zoo not in TRAINED


def _require_known(name: str, known: Iterable[str], zoo: str) -> None:
    names = list(known)
    if name not in names:
        raise SourceError(
            f"{zoo} has no model {name!r}",
            [
                ("tried", f"{len(names)} names"),
                ("close", similar_names(name, names)),
                ("next", f"choose a name of {zoo}'s list of models"),
            ],
        )


def similar_names(name: str, names: Iterable[str]) -> str:
    """Return up to four names that are like this one."""
    return ", ".join(difflib.get_close_matches(name, list(names), n=4, cutoff=0.6))
