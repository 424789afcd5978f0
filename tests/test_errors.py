"""How a message of an error is laid out."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import traceback
import zipfile
from pathlib import Path

import pytest

from torch2keras import errors


def test_a_headline_alone_is_the_message():
    error = errors.InputError("the module has no inputs")
    assert str(error) == error.message == "the module has no inputs"
    assert error.rows == ()


def test_rows_stand_below_the_headline_and_their_lines_in_one_column():
    rows = [("module", "head (Linear)"), ("problems", "a: missing\nb: unknown")]
    error = errors.InputError("the state_dict does not fit", rows)
    assert str(error) == (
        "the state_dict does not fit\n"
        "\n"
        "  module   head (Linear)\n"
        "  problems a: missing\n"
        "           b: unknown"
    )


@pytest.mark.parametrize(
    ("count", "said"), [(0, ""), (1, "n0"), (3, "n0, n1, n2"), (5, "n0, n1, n2 and 2 more")]
)
def test_of_many_names_the_first_are_listed(count, said):
    assert errors.list_names([f"n{number}" for number in range(count)], most=3) == said


def test_a_message_lists_eight_names():
    assert errors.list_names("abcdefgh") == "a, b, c, d, e, f, g, h"
    assert errors.list_names("abcdefghi") == "a, b, c, d, e, f, g, h and 1 more"


def test_empty_rows_are_left_out():
    error = errors.CaptureError("it fails", [("why", ""), ("next", "try again")])
    assert error.rows == (("next", "try again"),)
    assert str(errors.CaptureError("it fails", [("why", "")])) == "it fails"


@pytest.mark.parametrize(
    "name",
    [
        "InputError",
        "CaptureError",
        "UnsupportedOpError",
        "LoweringError",
        "VerificationError",
        "DeploymentError",
        "SourceError",
        "OutputError",
        "UnsafeFileError",
        "InternalError",
    ],
)
def test_each_error_is_caught_by_the_common_base(name):
    error_class = getattr(errors, name)
    with pytest.raises(errors.Torch2KerasError, match="it fails"):
        raise error_class("it fails", [("next", "try again")])
    assert name in (errors.__doc__ or "")


def test_a_traceback_names_the_page_below_the_message():
    error = errors.LoweringError("it fails", [("next", "try again")])
    shown = "".join(traceback.format_exception_only(error))
    assert shown.endswith("  next     try again\n  page     docs/errors/LoweringError.md\n")


def test_every_error_has_its_page_and_its_row_in_the_list():
    folder = Path(__file__).parent.parent / "docs"
    listed = (folder / "errors.md").read_text(encoding="utf-8")
    for cls in errors.Torch2KerasError.__subclasses__():
        page = cls("it fails").page
        assert (folder.parent / page).read_text(encoding="utf-8").startswith(f"# {cls.__name__}\n")
        assert page.removeprefix("docs/") in listed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[Hverified", "\\x1b[2J\\x1b[Hverified"),
        ("a\rb\x07\x08\x9b31m\x00", "a\\rb\\x07\\x08\\x9b31m\\x00"),
        ("\u202egnorw\u2028", "\\u202egnorw\\u2028"),
        ("two\nlines, ×, −, 日本", "two\nlines, ×, −, 日本"),
        ("\udc80", "\\udc80"),
    ],
)
def test_what_would_act_is_written_out(text, shown):
    assert errors.show_controls(text) == shown


def test_names_of_strangers_act_on_no_terminal_and_forge_no_row():
    error = errors.InputError("no layer a\x1b[2J\n\n  next     rm", [("name", "b\r\x9b")])
    assert str(error) == "no layer a\\x1b[2J\\n\\n  next     rm\n\n  name     b\\r\\x9b"
    assert (error.headline, error.rows) == (
        "no layer a\\x1b[2J\\n\\n  next     rm",
        (("name", "b\\r\\x9b"),),
    )


def test_the_page_of_an_installed_package_is_a_file_of_its(tmp_path, monkeypatch):
    project = Path(__file__).parent.parent / "pyproject.toml"
    wheel = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    assert wheel["wheel"]["force-include"]["docs/errors"] == f"torch2keras/{errors.PAGES.name}"
    monkeypatch.setattr(errors, "PAGES", tmp_path)
    (tmp_path / "InputError.md").touch()
    assert errors.InputError("no").page == str(tmp_path / "InputError.md")
    assert errors.SourceError("no").page == "docs/errors/SourceError.md"


@pytest.mark.slow
def test_a_wheel_has_the_pages(tmp_path):
    folder = Path(__file__).parent.parent
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path)]
    subprocess.run([*command, str(folder)], check=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert f"torch2keras/{errors.PAGES.name}/LoweringError.md" in archive.namelist()
