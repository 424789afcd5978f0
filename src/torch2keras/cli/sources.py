"""SOURCE: what the command line converts, as an nn.Module.

    package.module:factory    a function or class that is called without arguments, or a module that stands there
    torchvision:NAME          torchvision.models.get_model(NAME, weights=None)
    timm:NAME                 timm.create_model(NAME, pretrained=False)
    hf:PATH                   a folder of a transformers model, or its config.json with random weights

A SOURCE is split at its colon and looked up; it is never evaluated.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch import nn

from torch2keras.cli.hugging_face import load_hugging_face
from torch2keras.cli.optional_package import package
from torch2keras.errors import SourceError
from torch2keras.workarounds.triton_import import load_exporter

FORMS = "package.module:factory, torchvision:NAME, timm:NAME or hf:FOLDER"


DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


CHECKPOINTS = (".pt", ".pt2", ".pth", ".ckpt", ".bin", ".safetensors", ".onnx")


def load_source(source: str) -> nn.Module:
    """The module that a SOURCE names. The current folder is importable, as it is for `python -m`.

    Raises SourceError, which says what was tried, what is called alike, and the next step.
    """
    left, colon, right = source.partition(":")
    if not colon or not left or not right:
        raise SourceError(
            f"{source!r} is no SOURCE", [("forms", FORMS), ("next", _first_step(source))]
        )
    if left in ZOOS:
        return _checked(source, ZOOS[left](right))
    if not DOTTED.fullmatch(left) or not DOTTED.fullmatch(right):
        wrong = left if not DOTTED.fullmatch(left) else right
        raise SourceError(
            f"{source!r} is no SOURCE: {wrong!r} is no dotted name",
            [
                ("forms", FORMS),
                (
                    "next",
                    "name a function without its parentheses and arguments, as in models:small",
                ),
            ],
        )
    return _checked(source, _called(source, _found(left, right)))


def _first_step(source: str) -> str:
    path = Path(source)
    if path.suffix == ".py":
        return f"name a function in it: {'.'.join(path.with_suffix('').parts)}:FUNCTION"
    if path.suffix in CHECKPOINTS:
        return "a file of weights holds no code; write a function that builds the module and loads them"
    return "put the function that builds the module behind a colon"


def _torchvision(name: str) -> Any:
    models = package("torchvision.models", "torchvision", f"torchvision:{name}")
    _require_known(name, models.list_models(), "torchvision")
    return models.get_model(name, weights=None)


def _timm(name: str) -> Any:
    timm = package("timm", "timm", f"timm:{name}")
    _require_known(name.partition(".")[0], timm.list_models(), "timm")
    return timm.create_model(name, pretrained=False)


ZOOS: dict[str, Callable[[str], Any]] = {
    "torchvision": _torchvision,
    "timm": _timm,
    "hf": load_hugging_face,
}


def _require_known(name: str, known: Iterable[str], zoo: str) -> None:
    names = list(known)
    if name not in names:
        raise SourceError(
            f"{zoo} has no model {name!r}",
            [
                ("tried", f"{len(names)} names"),
                ("close", _close(name, names)),
                ("next", f"choose a name of {zoo}'s list of models"),
            ],
        )


def _found(module_name: str, attribute: str) -> Any:
    """The object `attribute` of a Python module."""
    found: Any = _imported(module_name)
    place = module_name
    for name in attribute.split("."):
        if not hasattr(found, name):
            public = [n for n in dir(found) if not n.startswith("_")]
            raise SourceError(
                f"{place} has no {name!r}",
                [
                    ("file", str(getattr(found, "__file__", "") or "")),
                    ("close", _close(name, public)),
                    ("next", f"name what builds the module in {place}"),
                ],
            )
        found, place = getattr(found, name), f"{place}.{name}"
    return found


def _imported(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    importlib.invalidate_caches()
    load_exporter()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise _no_such_module(name, error.name, here) from error
        raise _failed(f"importing {name} fails", error) from error
    except (Exception, SystemExit) as error:
        raise _failed(f"importing {name} fails", error) from error


def _no_such_module(name: str, missing: str, here: str) -> SourceError:
    parent = missing.rpartition(".")[0]
    folders = (
        list(sys.modules[parent].__path__)
        if parent in sys.modules and hasattr(sys.modules[parent], "__path__")
        else [here]
    )
    siblings = [f"{parent}.{m.name}".lstrip(".") for m in pkgutil.iter_modules(folders)]
    return SourceError(
        f"there is no Python module {missing!r}",
        [
            ("tried", f"import {name}, with {here} first on the path"),
            ("close", _close(missing, siblings)),
            ("next", "run the command in the folder that holds the module, or install its package"),
        ],
    )


def _called(source: str, found: Any) -> Any:
    """A module as it is; the result of a function or class, called without arguments."""
    from torch import nn

    if isinstance(found, nn.Module):
        return found
    if not callable(found):
        raise SourceError(
            f"{source} is {_described(found)}, neither a module nor a function that makes one",
            [("next", "name a function or class without arguments, or an nn.Module")],
        )
    needed = _needed_arguments(found)
    if needed:
        raise SourceError(
            f"{source} cannot be called without arguments",
            [
                ("needs", ", ".join(needed)),
                ("next", "write a function without arguments that calls it, and name that one"),
            ],
        )
    try:
        return found()
    except (Exception, SystemExit) as error:
        raise _failed(f"calling {source} fails", error) from error


def _needed_arguments(function: Callable[..., Any]) -> list[str]:
    import inspect

    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:
        return []  # a builtin without a signature: calling it tells
    named = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.KEYWORD_ONLY,
    )
    return [p.name for p in parameters if p.default is p.empty and p.kind in named]


def _checked(source: str, made: Any) -> nn.Module:
    from torch import nn

    if not isinstance(made, nn.Module):
        raise SourceError(
            f"{source} gives {_described(made)}, not a torch.nn.Module",
            [("next", "let it return the module itself")],
        )
    return made


def _failed(what: str, error: BaseException) -> SourceError:
    """The error for code of the user's that raises: its own message, and the innermost line of it."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _ours(f.filename)]
    source = (
        f"{_short(frames[-1].filename)}:{frames[-1].lineno}    {frames[-1].line or ''}".rstrip()
        if frames
        else ""
    )
    if isinstance(error, SyntaxError) and error.filename:
        source = f"{_short(error.filename)}:{error.lineno}    {(error.text or '').strip()}".rstrip()
    return SourceError(
        what,
        [
            ("python", f"{type(error).__name__}: {error}".rstrip(": ")),
            ("source", source),
            ("next", "mend it there, then try again"),
        ],
    )


def _ours(file: str) -> bool:
    return (
        file == __file__
        or file.startswith("<")
        or Path(file).parent == Path(importlib.__file__).parent
    )


def _short(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _close(name: str, names: Iterable[str]) -> str:
    return ", ".join(difflib.get_close_matches(name, list(names), n=4, cutoff=0.6))


def _described(value: Any) -> str:
    return "None" if value is None else f"an object of {type(value).__name__}"
