"""Example inputs of models that say themselves what they take: those of the zoos.

A model of transformers tells it by the parameters of its forward, by its config, and by the feature
extractor of its family, which is called with its defaults and the numbers of the config; no file
beside the model is read. The others are image models, which name the size that they were made for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from torch2keras.cli.input_shapes import InputShape

if TYPE_CHECKING:  # `torch2keras --help` is to answer at once
    from torch import nn

BATCH = 2


TOKENS = 16
"""The length of the example text."""


DECODED = 7
"""The length of what a decoder has said so far."""


SECOND = 16000
"""The samples of a second, where no feature extractor tells its rate."""


FRAMES = 100
"""The length of a spectrogram where no feature extractor makes one: a second in steps of 10 ms."""


SIDE = 224
"""Height and width of the example image where a model names none."""


SIDES = {"inception_v3": 299, "ultralytics": 640, "smp": 256}
"""Height and width of other zoos' images, and of a model that takes no smaller one."""


FEATURES = (
    "feature_projection_input_dim",
    "num_mel_bins",
    "input_feat_per_channel",
    "n_mels",
    "hidden_size_input",
)
"""What configs call the number of values in a frame of a spectrogram."""


PARTS = ("vision_config", "audio_config", "encoder_config", "encoder", "backbone_config")
"""What the configs of a model of several call those of its parts that see and hear."""


Shapes = dict[str, InputShape]
"""Example inputs by the parameter of forward."""


def has_default_inputs(source: str) -> bool:
    """Return whether modules of this SOURCE may tell what they take."""
    return source.partition(":")[0] in MAKERS


def find_default_inputs(source: str, module: nn.Module) -> list[InputShape]:
    """Return the example inputs of the module that a SOURCE gave; none where it tells none.

    The batch is dynamic, and so is the length of texts and of sounds.
    """
    zoo, _, name = source.partition(":")
    maker = MAKERS.get(zoo)
    if maker is None:
        return []
    return maker(name, module)


# Image models of other zoos.


def _timm_inputs(_: str, module: nn.Module) -> list[InputShape]:
    written = getattr(module, "default_cfg", None)
    size = (3, SIDE, SIDE)
    if isinstance(written, Mapping):
        size = written.get("input_size", size)
    return [_image(*size)]


def _torchvision_inputs(name: str, module: nn.Module) -> list[InputShape]:
    """Return an image; none for detectors, which take lists of them, and for models of videos."""
    family = type(module).__module__
    if ".detection." in family or ".video." in family or ".optical_flow." in family:
        return []
    side = SIDES.get(name, SIDE)
    return [_image(3, getattr(module, "image_size", side), getattr(module, "image_size", side))]


def _ultralytics_inputs(_: str, __: nn.Module) -> list[InputShape]:
    return [_image(3, SIDES["ultralytics"], SIDES["ultralytics"])]


def _smp_inputs(_: str, __: nn.Module) -> list[InputShape]:
    return [_image(3, SIDES["smp"], SIDES["smp"])]


def _image(channels: int, height: int, width: int, parameter: str = "") -> InputShape:
    sizes = (BATCH, channels, height, width)
    return InputShape(sizes, (None,) * 4, "float32", parameter)


# Models of transformers.


def _transformers_inputs(_: str, module: nn.Module) -> list[InputShape]:
    """Return an input for each parameter of forward that must be given; none where one is unknown.

    A text of 16 tokens and its mask, an image or a video of the configured size, a second of sound
    as the feature extractor of the family prepares it, a series of the configured length, and for
    a decoder the tokens that it has said so far.
    """
    config = getattr(module, "config", None)
    if config is None:
        return []
    parameters = inspect.signature(module.forward).parameters
    main = getattr(module, "main_input_name", "")
    wanted = {name for name in parameters if name == main}
    wanted |= {name for name, parameter in parameters.items() if _is_required(parameter)}
    wanted |= {"decoder_input_ids"} & set(parameters)
    wanted |= _second_inputs(module, set(parameters))
    if "input_ids" in wanted:
        wanted |= {"attention_mask"} & set(parameters)
    known: Shapes = {}
    for make in (_texts, _images, _sounds, _series):
        known |= make(config, wanted)
    if not wanted <= set(known):
        return []
    return [known[name] for name in parameters if name in wanted]


def _is_required(parameter: inspect.Parameter) -> bool:
    is_named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    return is_named and parameter.default is parameter.empty


def _second_inputs(module: nn.Module, parameters: set[str]) -> set[str]:
    """Return what a model takes beside its text, though forward has a default for it.

    A model that gives features of a text and features of something else compares the two, as CLIP.
    """
    if not hasattr(module, "get_text_features"):
        return set()
    seconds = {
        "get_image_features": "pixel_values",
        "get_audio_features": "input_features",
        "get_video_features": "pixel_values_videos",
    }
    return {name for getter, name in seconds.items() if hasattr(module, getter)} & parameters


def _texts(config: Any, _: set[str]) -> Shapes:
    most = getattr(config, "max_position_embeddings", None)
    tokens = TOKENS
    if isinstance(most, int) and most > 0:  # XLNet writes -1 for no limit
        tokens = min(TOKENS, most)
    return {
        "input_ids": _text("input_ids", tokens),
        "attention_mask": _text("attention_mask", tokens),
        "decoder_input_ids": _text("decoder_input_ids", DECODED),
    }


def _text(parameter: str, tokens: int) -> InputShape:
    return InputShape((BATCH, tokens), (None, "length"), "int64", parameter)


def _images(config: Any, wanted: set[str]) -> Shapes:
    """Return an image of the configured size, or a video where the config counts frames."""
    size = _first_of_parts(config, ("image_size", "img_size"))
    height = width = size or SIDE
    if isinstance(size, Mapping):
        height, width = size.get("height", SIDE), size.get("width", SIDE)
    if isinstance(size, list | tuple):
        height, width = size
    channels = _first_of_parts(config, ("num_channels",)) or 3
    frames = _first_of_parts(config, ("num_frames", "frames_per_clip"))
    made: Shapes = {}
    for name in wanted & {"pixel_values", "pixel_values_videos"}:
        made[name] = _image(channels, height, width, name)
        if frames:
            sizes = (BATCH, frames, channels, height, width)
            made[name] = InputShape(sizes, (None,) * 5, "float32", name)
    return made


def _first(config: Any, names: tuple[str, ...]) -> Any:
    """Return the value of the first name that the config has and sets."""
    for name in names:
        value = getattr(config, name, None)
        if value is not None:
            return value
    return None


def _first_of_parts(config: Any, names: tuple[str, ...]) -> Any:
    """Return the value of the first name that the config or the config of a part of it sets."""
    configs = [config, *(getattr(config, name, None) for name in PARTS)]
    found = (_first(part, names) for part in configs if part is not None)
    return next((value for value in found if value is not None), None)


def _series(config: Any, wanted: set[str]) -> Shapes:
    """Return a series of the configured length, for models that need nothing beside it."""
    length, channels = (
        getattr(config, "context_length", 0),
        getattr(config, "num_input_channels", 0),
    )
    if "past_values" not in wanted or not length or not channels:
        return {}
    sizes = (BATCH, length, channels)
    return {"past_values": InputShape(sizes, (None,) * 3, "float32", "past_values")}


def _sounds(config: Any, wanted: set[str]) -> Shapes:
    """Return a second of sound as the family's feature extractor gives it, else as it is."""
    names = wanted & {"input_values", "input_features"}
    if not names:
        return {}
    made = _extract_second(config)
    raw = InputShape((BATCH, SECOND), (None, "length"), "float32", "input_values")
    made.setdefault("input_values", raw)
    values = _first_of_parts(config, FEATURES)
    if isinstance(values, int):
        sizes = (BATCH, FRAMES, values)
        frames = InputShape(sizes, (None, "length", None), "float32", "input_features")
        made.setdefault("input_features", frames)
    return made


def _extract_second(config: Any) -> Shapes:
    """Return what the feature extractor of the config's family makes of a second of sound.

    A dimension that grows with the sound is dynamic. Nothing where the family has no extractor, or
    where it does not run by its defaults.
    """
    import transformers
    from transformers.models.auto import feature_extraction_auto

    # It is no public name, but the public class reads files to find one.
    names = vars(feature_extraction_auto)["FEATURE_EXTRACTOR_MAPPING_NAMES"]
    extractor_class = getattr(transformers, names.get(config.model_type, ""), None)
    if extractor_class is None:
        return {}
    try:
        extractor = extractor_class(**_extractor_options(extractor_class, config))
        short, long = (_extract(extractor, seconds) for seconds in (1.0, 1.5))
    except Exception:  # noqa: BLE001 - what it needs beyond its defaults is its own
        return {}
    return {name: _compare_sizes(name, sizes, long[name]) for name, sizes in short.items()}


def _extractor_options(extractor_class: Any, config: Any) -> dict[str, Any]:
    """Return the options of an extractor that the config tells: by their names, or its channels."""
    options = {}
    for name, parameter in inspect.signature(extractor_class.__init__).parameters.items():
        value = getattr(config, name, None)
        if name == "feature_size":
            value = getattr(config, "audio_channels", None)
            if parameter.default != 1:
                value = _first_of_parts(config, FEATURES[1:])
        if isinstance(value, int) and type(value) is not bool:
            options[name] = value
    return options


def _extract(extractor: Any, seconds: float) -> dict[str, tuple[int, ...]]:
    import numpy as np

    rate = getattr(extractor, "sampling_rate", SECOND)
    sound = np.zeros(int(rate * seconds), np.float32)
    if getattr(extractor, "feature_size", 1) == 2:
        sound = np.zeros((2, len(sound)), np.float32)
    made = extractor(sound, sampling_rate=rate, return_tensors="np")
    return {name: np.shape(value) for name, value in made.items()}


def _compare_sizes(name: str, short: tuple[int, ...], long: tuple[int, ...]) -> InputShape:
    """Return the input of a sound from its sizes and those of a longer one."""
    names = tuple("length" if a != b else None for a, b in zip(short[1:], long[1:], strict=True))
    return InputShape((BATCH, *short[1:]), (None, *names), "float32", name)


MAKERS: dict[str, Callable[[str, nn.Module], list[InputShape]]] = {
    "hf": _transformers_inputs,
    "timm": _timm_inputs,
    "torchvision": _torchvision_inputs,
    "ultralytics": _ultralytics_inputs,
    "smp": _smp_inputs,
}
