"""Where a node of an exported graph comes from: the user's line and the module that ran it."""

from __future__ import annotations

import linecache
import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import fx, nn

_TORCH_ROOT = str(Path(torch.__file__).resolve().parent) + os.sep


_OWN_ROOT = str(Path(__file__).resolve().parents[1]) + os.sep


_FRAME = re.compile(r'^\s*File "(?P<file>.+)", line (?P<line>\d+), in .*$')


_STEP = re.compile(r"""\.?getattr\((?P<of>.+),\s*['"]?(?P<name>\w+)['"]?\)$""")


_SUBSCRIPT = re.compile(r"""\[['"]?(?P<name>[^'"\]]+)['"]?\]""")


_CALL = nn.Module._call_impl.__code__  # noqa: SLF001 - the frame that has the module


_ROOTS = ("L__self__", "L['self']", 'L["self"]', "self", "_export_root")


@dataclass(frozen=True)
class SourceLine:
    """One line of somebody's Python file; `line` counts from 1, `text` is stripped."""

    file: str
    line: int
    text: str

    @property
    def place(self) -> str:
        """The file and the line's number."""
        return f"{_relative_to_folder(self.file)}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place}    {self.text}".rstrip()


def read_line(file: str, line: int) -> SourceLine:
    """Return a line with its text, which is "" where the file cannot be read."""
    return SourceLine(file, line, linecache.getline(file, line).strip())


@lru_cache(maxsize=4096)
def is_torch_file(file: str) -> bool:
    """Whether a file belongs to the installed torch package (or is none: generated code)."""
    return file.startswith("<") or str(Path(file).resolve()).startswith(_TORCH_ROOT)


def is_users_file(file: str) -> bool:
    """Whether a file belongs neither to the installed torch package nor to this one."""
    return not is_torch_file(file) and not file.startswith(_OWN_ROOT)


def user_line(node: fx.Node) -> SourceLine | None:
    """The innermost line outside torch and this package that made this node.

    None where torch recorded none.
    """
    trace = node.meta.get("stack_trace")
    return innermost_line(trace) if isinstance(trace, str) else None


def innermost_line(trace: str) -> SourceLine | None:
    """The last frame of a printed traceback that lies outside torch and this package."""
    found: SourceLine | None = None
    lines = trace.splitlines()
    for text, below in zip(lines, [*lines[1:], ""], strict=True):
        frame = _FRAME.match(text)
        if frame is None or not is_users_file(frame["file"]):
            continue
        source = "" if _FRAME.match(below) else below.strip()  # a frame may have no source
        found = SourceLine(frame["file"], int(frame["line"]), source)
    return found


def find_current_place() -> tuple[nn.Module | None, SourceLine | None]:
    """Return the innermost module that runs, and the innermost line outside torch and this package.

    They are looked for up to where this package called the outermost module.
    """
    module: nn.Module | None = None
    line: SourceLine | None = None
    frame = sys._getframe(1)  # noqa: SLF001 - as inspect.currentframe, for each call of forward
    is_within = False
    while frame is not None and (module is None or line is None):
        code = frame.f_code
        file = code.co_filename
        if file.startswith(_OWN_ROOT):
            if is_within:
                break
        else:
            is_within = True
            if module is None and code is _CALL:
                module = frame.f_locals["self"]
            elif line is None and not is_torch_file(file):
                number = frame.f_lineno
                line = SourceLine(file, number, linecache.getline(file, number).strip())
        frame = frame.f_back  # type: ignore[assignment]
    return module, line


def module_path(node: fx.Node) -> tuple[str, str]:
    """The dotted path and the class name of the innermost module that ran this node.

    The root module has the path ""; ("", "") where the module is unknown.
    """
    stack = node.meta.get("nn_module_stack")
    if not stack:
        return "", ""
    path, kind = list(stack.values())[-1]
    name = kind if isinstance(kind, str) else kind.__qualname__
    return normalise_path(str(path)), name.split("@")[0].rpartition(".")[2]


def normalise_path(path: str) -> str:
    """The dotted path of `named_modules()` for a module path as torch.export spells it.

    >>> normalise_path("getattr(L['self'].features, '0').conv")
    'features.0.conv'
    """
    while (start := path.rfind("getattr(")) >= 0:
        end = path.index(")", start)
        step = _STEP.match(path[start : end + 1])
        if step is None:
            break
        path = f"{path[:start]}{step['of']}.{step['name']}{path[end + 1 :]}"
    for root in _ROOTS:
        if path == root or path.startswith((root + ".", root + "[")):
            path = path[len(root) :]
            break
    path = _SUBSCRIPT.sub(lambda found: "." + found["name"], path)
    parts = [part for part in path.split(".") if part not in ("", "_modules", "_export_root")]
    return ".".join(part.partition("@")[0] for part in parts)


def origin_rows(node: fx.Node) -> list[tuple[str, str]]:
    """The rows (module, source) with which every error about this node begins."""
    path, kind = module_path(node)
    where = ""
    if kind:
        where = f"{path or 'the module itself'} ({kind})"
    line = user_line(node)
    return [("module", where), ("source", str(line or ""))]


def _relative_to_folder(file: str) -> str:
    """The path from the current folder for files below it, else the whole path."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
