"""What goes to stdout and what to stderr."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys

import pytest
from rich.console import Console

from torch2keras.cli import terminal
from torch2keras.errors import InputError

ERROR = InputError("no [example] input", [("next", "give one")])


def test_text_ends_with_one_line_break(capsys):
    terminal.print_text("a page\n\n")
    assert capsys.readouterr().out == "a page\n"


def test_json_is_one_document_without_nan(capsys):
    terminal.print_json({"a": [1, None]})
    assert json.loads(capsys.readouterr().out) == {"a": [1, None]}
    terminal.print_json({"a": (float("nan"), {"b": float("inf")}), "c": 0.5})
    assert json.loads(capsys.readouterr().out) == {"a": [None, {"b": None}], "c": 0.5}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[Hverified", "\\x1b[2J\\x1b[Hverified"),
        ("two\nlines, ×, −, 日本", "two\nlines, ×, −, 日本"),
    ],
)
def test_what_would_act_on_the_terminal_is_written_out(capsys, text, shown):
    terminal.print_text(text)
    terminal.print_error(InputError(text, [("next", text)]), as_json=False)
    printed = capsys.readouterr()
    assert printed.out == shown + "\n"
    headline = shown.replace("\n", "\\n")
    assert printed.err.replace("\n           ", "\n") == (
        f"InputError: {headline}\n\n  next     {shown}\n  page     docs/errors/InputError.md\n"
    )


def test_a_terminal_without_the_letters(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii", newline=""))
    terminal.print_text("3 × 5")
    sys.stdout.flush()
    assert raw.getvalue() == b"3 \\xd7 5\n"


@pytest.mark.parametrize("quiet", [True, False])
def test_stdout_is_for_results_alone(capfd, quiet):
    with terminal.keep_stdout(quiet=quiet):
        sys.stdout.write("a")
        sys.stdout.flush()
        os.write(1, b"b")
        subprocess.run(["/bin/echo", "c"], check=True)
        os.write(2, b"d")
        sys.stderr.write("e")
    terminal.print_text("result")
    shown = capfd.readouterr()
    assert shown.out == "result\n"
    assert sorted(shown.err.replace("\n", "")) == ([] if quiet else list("abcde"))


def test_an_error_is_text_on_stderr_and_a_document_on_stdout(capsys):
    terminal.print_error(ERROR, as_json=False)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == (
        "InputError: no [example] input\n\n"
        "  next     give one\n"
        "  page     docs/errors/InputError.md\n"
    )
    terminal.print_error(ERROR, as_json=True)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert json.loads(shown.out) == {
        "error": {
            "type": "InputError",
            "message": "no [example] input",
            "rows": {"next": "give one"},
            "page": "docs/errors/InputError.md",
        }
    }


def test_an_error_without_rows_has_its_page_below(capsys):
    terminal.print_error(InputError("no input"), as_json=False)
    assert (
        capsys.readouterr().err == "InputError: no input\n\n  page     docs/errors/InputError.md\n"
    )


def test_an_interruption_is_told_both_ways(capsys):
    terminal.print_interrupted(as_json=False)
    assert capsys.readouterr().err == "interrupted; nothing was written\n"
    terminal.print_interrupted(as_json=True)
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "KeyboardInterrupt"


def test_stages_are_lines_where_stderr_is_no_terminal(capsys):
    with terminal.show_stages(shown=True) as progress:
        progress("load")
        progress("capture")
    assert capsys.readouterr().err == "load ...\ncapture ...\n"
    with terminal.show_stages(shown=False) as progress:
        progress("load")
    assert capsys.readouterr().err == ""


def test_stages_are_a_bar_on_a_terminal(capsys, monkeypatch):
    def console(**options):
        return Console(file=sys.stderr, force_terminal=True, width=60, highlight=False)

    monkeypatch.setattr(terminal, "Console", console)
    with terminal.show_stages(shown=True) as progress:
        for stage in ("load", "capture", "save"):
            progress(stage)
    assert "save" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
