"""SOURCE: what the command line converts, as an nn.Module.

    package.module:factory    a module, or a function or class that is called without arguments
    file.py:factory           the same of a file
    torchvision:NAME          torchvision.models.get_model(NAME, weights=None)
    timm:NAME                 timm.create_model(NAME, pretrained=False)
    ultralytics:NAME          the network of ultralytics.YOLO("NAME.yaml")
    smp:NAME[:ENCODER]        an architecture of segmentation_models_pytorch
    torchscript:FILE          a scripted or traced module, as torch.jit.save wrote it
    FILE.pt2                  an exported program, as torch.export.save wrote it
    hf:PATH                   a folder of a transformers model, or its config.json alone
    diffusers:PATH            a folder of a diffusers model, or its config.json alone

A SOURCE is split at its colon and looked up; it is never evaluated.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn
from torch.export import ExportedProgram

from torch2keras.cli.zoos import ZOOS, similar_names
from torch2keras.errors import SourceError, Torch2KerasError
from torch2keras.exported_files.load import load_exported_program
from torch2keras.runtime.paths import is_file, is_program_file, is_script_source
from torch2keras.workarounds.triton_import import load_exporter

FORMS = (
    "package.module:factory, file.py:factory, torchvision:NAME, timm:NAME, ultralytics:NAME, "
    "smp:NAME, hf:FOLDER, diffusers:FOLDER, torchscript:FILE or FILE.pt2"
)


PYTHON = ".py"


DOTTED = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


CHECKPOINTS = (".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".onnx")


NAMED_KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
"""The kinds of a function's parameters without *args and **kwargs."""


def load_source(source: str, *, trust: bool = False) -> nn.Module | ExportedProgram:
    """Return the module, or the exported program, that a SOURCE names.

    The current folder is importable, as it is for `python -m`. With `trust` a program is loaded
    without being looked through, whatever it runs; TorchScript is not loaded else.

    Raises SourceError, which says what was tried, what is called alike, and the next step, and
    UnsafeFileError for a program that would run something.
    """
    if is_program_file(source):
        return load_exported_program(Path(source).expanduser(), trust=trust)
    left, colon, right = _split(source)
    if not colon or not left or not right:
        rows = [("forms", FORMS), ("next", _first_step(source))]
        raise SourceError(f"{source!r} is no SOURCE", rows)
    if is_script_source(source):
        loaded = _call_builder(source, functools.partial(ZOOS[left], right, trust=trust))
    elif left in ZOOS:
        loaded = _call_builder(source, functools.partial(ZOOS[left], right))
    elif left.endswith(PYTHON):
        _require_dotted(source, right)
        loaded = _make_module(source, _find_object(_import_file(Path(left)), right))
    else:
        _require_dotted(source, left)
        _require_dotted(source, right)
        loaded = _make_module(source, _find_object(_import_module(left), right))
    if not isinstance(loaded, nn.Module):
        raise SourceError(
            f"{source} gives {_describe(loaded)}, not a torch.nn.Module",
            [("next", "let it return the module itself")],
        )
    return loaded


def _split(source: str) -> tuple[str, str, str]:
    """Return a SOURCE at its colon: the first, or the one behind the name of a file."""
    file, colon, attribute = source.rpartition(f"{PYTHON}:")
    if colon:
        return file + PYTHON, ":", attribute
    return source.partition(":")


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
    if path.suffix == PYTHON:
        return f"name a function or class in it: {source}:FUNCTION"
    if path.suffix in CHECKPOINTS:
        return (
            "a file of weights holds no code: name what builds the module, and the file behind it, "
            f"as in models:small --weights {source}"
        )
    return "put the function that builds the module behind a colon"


# Python modules of the user's.


def _find_object(module: Any, attribute: str) -> Any:
    """Return the object that a dotted attribute of a Python module is. Raises SourceError."""
    found, place = module, module.__name__
    for name in attribute.split("."):
        if not hasattr(found, name):
            public = [n for n in dir(found) if not n.startswith("_")]
            raise SourceError(
                f"{place} has no {name!r}",
                [
                    ("file", str(getattr(found, "__file__", "") or "")),
                    ("close", similar_names(name, public)),
                    ("next", f"name what builds the module in {place}"),
                ],
            )
        found, place = getattr(found, name), f"{place}.{name}"
    return found


def _import_file(file: Path) -> Any:
    """Return the Python module that a file is: by its dotted name where it lies in a package.

    The folder of a file that lies in none is importable too.
    """
    if not is_file(file):
        siblings = [path.name for path in file.parent.glob(f"*{PYTHON}")]
        step = "name a file that is there, from the current folder"
        rows = [("close", similar_names(file.name, siblings)), ("next", step)]
        raise SourceError(f"there is no file {file}", rows)
    root, parts = file.resolve().parent, [file.stem]
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    name = ".".join(parts)
    if not DOTTED.fullmatch(name):
        step = "rename the file, or import it in a module of yours and name that one"
        raise SourceError(f"{file} has no name that Python can import", [("next", step)])
    module = _import_module(name, root)
    if Path(getattr(module, "__file__", None) or "").resolve() != file.resolve():
        step = "rename the file, or put it into a package: a folder with an __init__.py"
        raise SourceError(
            f"another Python module is called {name!r} than {file}",
            [("file", str(getattr(module, "__file__", "") or "")), ("next", step)],
        )
    return module


def _import_module(name: str, root: Path | None = None) -> Any:
    """Return a Python module of the current folder, or of `root`, or an installed one."""
    here = str(root or Path.cwd())
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
            ("close", similar_names(missing, siblings)),
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
    except Torch2KerasError:
        raise
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


def _describe(value: Any) -> str:
    if value is None:
        return "None"
    return f"an object of {type(value).__name__}"
