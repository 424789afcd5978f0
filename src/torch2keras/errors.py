"""What torch2keras raises, and how each message is laid out.

Torch2KerasError
├── InputError             the caller's module, inputs or options cannot be used as given
├── CaptureError           torch.export cannot take the module
├── UnsupportedOpError     ops without a lowering, all those of a model at once
├── LoweringError          an op whose arguments stock Keras cannot express
├── VerificationError      the converted model does not give PyTorch's numbers
├── DeploymentError        a model cannot be a file of a format, or its runtime does not run it
├── SourceError            a SOURCE of the command line names nothing that can be built
├── OutputError            a result cannot be written
├── UnsafeFileError        a file that would have to execute code to be read
└── InternalError          a fault of torch2keras itself, with what to attach to a report
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import starmap
from pathlib import Path

LABEL_WIDTH = 8

MOST_NAMES = 8
"""The number of names that a message lists."""

PAGES = Path(__file__).parent / "error_pages"
"""Where an installed package has the pages of docs/errors; pyproject.toml puts them there."""

UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""The categories of characters that move the cursor, colour, reorder or hide text (Unicode)."""


class Torch2KerasError(Exception):
    """Base of every error of this package.

    A message is a headline and labelled rows: what happened, where, with which shapes, what to do
    next. `rows` are (label, text) pairs; a row whose text is empty is left out. Names in it may be
    a stranger's: what would act on a terminal is written out. A traceback names the page of the
    documentation below the message.
    """

    def __init__(self, headline: str, rows: Iterable[tuple[str, str]] = ()) -> None:
        self.headline = show_controls(headline).replace("\n", r"\n")
        self.rows = tuple((label, show_controls(text)) for label, text in rows if text)
        super().__init__(self.message)
        self.add_note(format_row("page", self.page))

    @property
    def message(self) -> str:
        """The whole message as it is printed, without the name of the class."""
        if not self.rows:
            return self.headline
        return "\n".join([self.headline, "", *starmap(format_row, self.rows)])

    @property
    def page(self) -> str:
        """The page of the documentation with the causes of such errors, and what mends them.

        In a copy of the repository it is the path there, else the file of the installed package.
        """
        name = f"{type(self).__name__}.md"
        installed = PAGES / name
        if installed.is_file():
            return str(installed)
        return f"docs/errors/{name}"


def format_row(label: str, text: str) -> str:
    """Return a labelled row; further lines of its text stand below the first."""
    pad = "\n  " + " " * (LABEL_WIDTH + 1)
    return f"  {label:<{LABEL_WIDTH}} {text.replace(chr(10), pad)}"


class InputError(Torch2KerasError):
    """The caller's module, example inputs or options cannot be used as given."""


class CaptureError(Torch2KerasError):
    """`torch.export` cannot take the module; names the module path and the user's line."""


class UnsupportedOpError(Torch2KerasError):
    """One or more ops have no lowering and no decomposition into ops that have one."""


class LoweringError(Torch2KerasError):
    """An op with these arguments or shapes cannot be expressed with stock Keras layers."""


class VerificationError(Torch2KerasError):
    """The converted model does not give PyTorch's numbers; names the first value that diverges."""


class DeploymentError(Torch2KerasError):
    """A model cannot be written in a format, or the runtime of the format does not run the file."""


class SourceError(Torch2KerasError):
    """A SOURCE given on the command line names nothing that can be built."""


class OutputError(Torch2KerasError):
    """A result cannot be written where it was asked for; what stood there is intact."""


class UnsafeFileError(Torch2KerasError):
    """A file would have to execute code to be read, and is refused."""


class InternalError(Torch2KerasError):
    """A fault of torch2keras itself; the message says what to attach to a report."""


def show_controls(text: str) -> str:
    r"""Return text in which what would act on a terminal or page is written out, as `\x1b`."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(map(_show_letter, text))


def _show_letter(letter: str) -> str:
    if letter == "\n" or unicodedata.category(letter) not in UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")


def list_names(names: Sequence[str], most: int = MOST_NAMES) -> str:
    """Return the first names, at most so many, and how many more there are."""
    listed = ", ".join(names[:most])
    if len(names) <= most:
        return listed
    return f"{listed} and {len(names) - most} more"
