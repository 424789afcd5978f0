"""SOURCE: what the command line converts, as an nn.Module.

    package.module:factory    a module, or a function or class that is called without arguments
    torchvision:NAME          torchvision.models.get_model(NAME, weights=None)
    timm:NAME                 timm.create_model(NAME, pretrained=False)
    hf:PATH                   a folder of a transformers model, or its config.json alone

A SOURCE is split at its colon and looked up; it is never evaluated.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.cli.hugging_face import load_hugging_face
from torch2keras.cli.optional_package import import_package
from torch2keras.errors import SourceError
from torch2keras.workarounds.triton_import import load_exporter

FORMS = "package.module:factory, torchvision:NAME, timm:NAME or hf:FOLDER"


DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


CHECKPOINTS = (".pt", ".pt2", ".pth", ".ckpt", ".bin", ".safetensors", ".onnx")


NAMED_KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
"""The kinds of a function's parameters without *args and **kwargs."""


def load_source(source: str) -> nn.Module:
    """Return the module that a SOURCE names.

    The current folder is importable, as it is for `python -m`.

    Raises SourceError, which says what was tried, what is called alike, and the next step.
    """
    left, colon, right = source.partition(":")
    if not colon or not left or not right:
        rows = [("forms", FORMS), ("next", _first_step(source))]
        raise SourceError(f"{source!r} is no SOURCE", rows)
    if left in ZOOS:
        loaded = ZOOS[left](right)
    else:
        _require_dotted(source, left)
        _require_dotted(source, right)
        loaded = _make_module(source, _find_object(left, right))
    if not isinstance(loaded, nn.Module):
        raise SourceError(
            f"{source} gives {_describe(loaded)}, not a torch.nn.Module",
            [("next", "let it return the module itself")],
        )
    return loaded


def _require_dotted(source: str, name: str) -> None:
    if not DOTTED.fullmatch(name):
        step = "name a function without its parentheses and arguments, as in models:small"
        raise SourceError(
            f"{source!r} is no SOURCE: {name!r} is no dotted name",
            [("forms", FORMS), ("next", step)],
        )


def _first_step(source: str) -> str:
    """Return what to write in place of a source without a colon."""
    path = Path(source)
    if path.suffix == ".py":
        return f"name a function in it: {'.'.join(path.with_suffix('').parts)}:FUNCTION"
    if path.suffix in CHECKPOINTS:
        return (
            "a file of weights holds no code; "
            "write a function that builds the module and loads them"
        )
    return "put the function that builds the module behind a colon"


# Model zoos.


def _load_torchvision(name: str) -> Any:
    models = import_package("torchvision.models", "torchvision", f"torchvision:{name}")
    _require_known(name, models.list_models(), "torchvision")
    builder = models.get_model_builder(name)
    # Detectors and segmenters would download the weights of their backbone.
    parameters = inspect.signature(builder).parameters
    without = {key: None for key in ("weights", "weights_backbone") if key in parameters}
    return _call_builder(f"torchvision:{name}", functools.partial(builder, **without))


def _load_timm(name: str) -> Any:
    timm = import_package("timm", "timm", f"timm:{name}")
    _require_known(name.partition(".")[0], timm.list_models(), "timm")
    make = functools.partial(timm.create_model, name, pretrained=False)
    return _call_builder(f"timm:{name}", make)


ZOOS: dict[str, Callable[[str], Any]] = {
    "torchvision": _load_torchvision,
    "timm": _load_timm,
    "hf": load_hugging_face,
}
"""What stands before the colon -> how the name behind it is loaded."""


def _require_known(name: str, known: Iterable[str], zoo: str) -> None:
    names = list(known)
    if name not in names:
        raise SourceError(
            f"{zoo} has no model {name!r}",
            [
                ("tried", f"{len(names)} names"),
                ("close", _similar_names(name, names)),
                ("next", f"choose a name of {zoo}'s list of models"),
            ],
        )


# Python modules of the user's.


def _find_object(module_name: str, attribute: str) -> Any:
    """Return the object that a dotted attribute of a Python module is. Raises SourceError."""
    found: Any = _import_module(module_name)
    place = module_name
    for name in attribute.split("."):
        if not hasattr(found, name):
            public = [n for n in dir(found) if not n.startswith("_")]
            raise SourceError(
                f"{place} has no {name!r}",
                [
                    ("file", str(getattr(found, "__file__", "") or "")),
                    ("close", _similar_names(name, public)),
                    ("next", f"name what builds the module in {place}"),
                ],
            )
        found, place = getattr(found, name), f"{place}.{name}"
    return found


def _import_module(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    load_exporter()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name
        if missing is not None and (name == missing or name.startswith(f"{missing}.")):
            raise _no_such_module(name, missing, here) from error
        raise _user_failure(f"importing {name} fails", error) from error
    except (Exception, SystemExit) as error:
        raise _user_failure(f"importing {name} fails", error) from error


def _no_such_module(name: str, missing: str, here: str) -> SourceError:
    parent = missing.rpartition(".")[0]
    folders = list(getattr(sys.modules.get(parent), "__path__", [here]))
    siblings = [f"{parent}.{m.name}".lstrip(".") for m in pkgutil.iter_modules(folders)]
    return SourceError(
        f"there is no Python module {missing!r}",
        [
            ("tried", f"import {name}, with {here} first on the path"),
            ("close", _similar_names(missing, siblings)),
            ("next", "run the command in the folder that holds the module, or install its package"),
        ],
    )


def _make_module(source: str, found: Any) -> Any:
    """Return a module as it is, and what a function or class gives when called without arguments.

    Raises SourceError where it is neither, needs arguments, or fails.
    """
    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise SourceError(
            f"{source} is {_describe(found)}, neither a module nor a function that makes one",
            [("next", "name a function or class without arguments, or an nn.Module")],
        )
    needed = _parameters_without_default(found)
    if needed:
        raise SourceError(
            f"{source} cannot be called without arguments",
            [
                ("needs", ", ".join(needed)),
                ("next", "write a function without arguments that calls it, and name that one"),
            ],
        )
    return _call_builder(source, found)


def _call_builder(source: str, build: Callable[[], Any]) -> Any:
    """Return what a function without arguments gives. Raises SourceError where it fails."""
    try:
        return build()
    except (Exception, SystemExit) as error:
        raise _user_failure(f"calling {source} fails", error) from error


def _parameters_without_default(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters without a default."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return []  # a builtin without a signature: calling it tells
    return [p.name for p in parameters if p.default is p.empty and p.kind in NAMED_KINDS]


def _user_failure(what: str, error: BaseException) -> SourceError:
    """Return the error for code of the user's that raises: its message and its innermost line."""
    return SourceError(
        what,
        [
            ("python", f"{type(error).__name__}: {error}".rstrip(": ")),
            ("source", _innermost_line(error)),
            ("next", "mend it there, then try again"),
        ],
    )


def _innermost_line(error: BaseException) -> str:
    """Return the user's line that raised, as "file:line    code"; empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        code = (error.text or "").strip()
        return f"{_short_path(error.filename)}:{error.lineno}    {code}".rstrip()
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _is_ours(f.filename)]
    if not frames:
        return ""
    last = frames[-1]
    return f"{_short_path(last.filename)}:{last.lineno}    {last.line or ''}".rstrip()


def _is_ours(file: str) -> bool:
    """Whether a frame is this file's or the import system's."""
    in_importlib = Path(file).parent == Path(importlib.__file__).parent
    return file == __file__ or file.startswith("<") or in_importlib


def _short_path(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(Path.cwd()):
        return str(path.relative_to(Path.cwd()))
    return file


def _similar_names(name: str, names: Iterable[str]) -> str:
    return ", ".join(difflib.get_close_matches(name, list(names), n=4, cutoff=0.6))


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    return f"an object of {type(value).__name__}"
