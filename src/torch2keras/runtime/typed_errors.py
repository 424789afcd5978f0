"""The boundary of the package: what leaves a public function is a Torch2KerasError.

An exception that a user's module raises when it is run or asked for something is an InputError that
names the user's line. Any other exception that is not ours is a fault of this package, and says
what to attach to a report.
"""

from __future__ import annotations

import functools
import linecache
import os
import platform
import sys
import sysconfig
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import ParamSpec, TypeVar

from torch2keras.errors import InputError, InternalError, Torch2KerasError

P = ParamSpec("P")
R = TypeVar("R")

OWN_ROOT = str(Path(__file__).resolve().parents[1]) + os.sep
STANDARD_LIBRARY = str(Path(sysconfig.get_paths()["stdlib"]).resolve()) + os.sep
FRAMEWORKS = ("torch", "keras", "tensorflow", "jax", "jaxlib", "numpy", "sympy", "optree", "h5py")
VERSIONS = ("torch2keras", "torch", "keras", "tensorflow", "jax", "numpy")
MOST_LETTERS = 300
OUT_OF_MEMORY = ("can't allocate memory", "OOM when allocating", "Out of memory", "bad_alloc")


def raise_typed_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a public function so that every Exception it lets out is a Torch2KerasError.

    The cause is chained. What is no `Exception`, as KeyboardInterrupt, passes.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except Torch2KerasError:
            raise
        except Exception as error:
            raise as_typed_error(error, function.__name__) from error

    return call


def as_typed_error(error: Exception, action: str) -> Torch2KerasError:
    """Return the error of ours for an exception that is not.

    It is an InputError where a line of the user's raised, else an InternalError.
    """
    file, line = _find_blamed_frame(error.__traceback__)
    source = f"{file}:{line}    {linecache.getline(file, line).strip()}"
    raised = describe_exception(error)
    if _is_out_of_memory(error):
        return InputError(
            f"there is not enough memory to {action} this module",
            [("error", raised), ("next", "give a smaller example, or a machine with more memory")],
        )
    if not file.startswith(OWN_ROOT):
        return InputError(
            f"the module raised {type(error).__name__} "
            "when torch2keras ran it or asked it for something",
            [
                ("source", source),
                ("error", raised),
                (
                    "next",
                    "let this line answer as torch.nn.Module does, at least while it is converted",
                ),
            ],
        )
    return InternalError(
        f"{action} failed in a way that torch2keras does not foresee",
        [
            ("error", raised),
            ("at", source.removeprefix(OWN_ROOT)),
            ("versions", ", ".join(describe_versions())),
            ("next", "please report it with this message, and with the module if you can share it"),
        ],
    )


def _is_out_of_memory(error: Exception) -> bool:
    """Whether an exception says that memory is out, in the words of Python or a framework."""
    raised = describe_exception(error)
    return isinstance(error, MemoryError) or any(words in raised for words in OUT_OF_MEMORY)


def describe_exception(error: BaseException) -> str:
    """Return the class and the first line of an exception, shortened.

    Its own text may raise, and is then left out.
    """
    kind = type(error).__name__
    try:
        text = str(error).strip()
    except Exception:  # noqa: BLE001 - a stranger's exception may raise when asked for its text
        return kind
    first = text.partition("\n")[0]
    if len(first) > MOST_LETTERS:
        first = first[: MOST_LETTERS - 3] + "..."
    return f"{kind}: {first}" if first else kind


def _find_blamed_frame(trace: TracebackType | None) -> tuple[str, int]:
    """Return (file, line) of the innermost frame that is ours or the user's."""
    blamed = (str(Path(__file__).resolve()), 1)
    for frame, line in traceback.walk_tb(trace):
        file = frame.f_code.co_filename
        if file.startswith(OWN_ROOT) or not _is_installed_framework(file):
            blamed = (file, line)
    return blamed


@functools.lru_cache(maxsize=4096)
def _is_installed_framework(file: str) -> bool:
    """Return whether a file belongs to Python or a framework, or is generated code."""
    if file.startswith("<"):
        return True
    path = Path(file).resolve()
    if "site-packages" in path.parts:
        inside = path.parts[path.parts.index("site-packages") + 1]
        return inside in FRAMEWORKS
    return str(path).startswith(STANDARD_LIBRARY)


def describe_versions() -> list[str]:
    """Return the versions of Python, the platform, this package and the frameworks."""
    found = [f"python {platform.python_version()}", sys.platform]
    for name in VERSIONS:
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found
