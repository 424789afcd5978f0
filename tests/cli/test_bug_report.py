"""--bug-report: the command, the message and the versions of what was refused, in one file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from command import NETS, command
from torch2keras.cli import bug_report
from torch2keras.cli.bug_report import REPORT, report_error, write_bug_report
from torch2keras.errors import InternalError, OutputError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "reported_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("reported_nets", None)
    return tmp_path


# The command, its exit code, and what the report says of it.
REFUSED = {
    "refused op": (
        ("convert", "reported_nets.py:Unknown", "-o", "a.keras", "-i", "2,3"),
        4,
        "aten.geqrf",
    ),
    "inspected": (("inspect", "reported_nets.py:Unknown", "-i", "2,3"), 4, "aten.geqrf"),
    "no branch": (("inspect", "reported_nets.py:Branch", "-i", "2,3"), 4, "if x.sum() > 0:"),
    "no source": (("inspect", "reported_nets.py:None", "-i", "2,3"), 2, "SourceError"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("as_json", [False, True])
def test_a_refusal_is_written(monkeypatch: pytest.MonkeyPatch, case: str, as_json: bool) -> None:
    arguments, code, said = REFUSED[case]
    arguments = (*arguments, "--bug-report", *["--json"] * as_json)
    monkeypatch.setattr(sys, "argv", ["torch2keras", *arguments])
    ran = command(*arguments)
    assert ran.code == code
    assert f"written: {REPORT}" in ran.err
    text = REPORT.read_text()
    assert said in text
    assert "reported_nets.py:" in text.partition("## Message")[0]
    assert "\ntorch " in text.partition("## Versions")[2]
    if as_json:
        assert ran.json


def test_nothing_is_written_unasked_or_where_all_is_well() -> None:
    assert command("inspect", "reported_nets.py:Unknown", "-i", "2,3").code == 4
    assert command("inspect", "reported_nets.py:Small", "-i", "2,3,11", "--bug-report").code == 0
    assert not REPORT.exists()


def test_a_fault_of_ours_has_its_traceback() -> None:
    error = InternalError("convert failed")
    error.__cause__ = ZeroDivisionError("of the solver")
    text = report_error(["convert"], error).read_text()
    assert "ZeroDivisionError: of the solver" in text
    assert text.startswith("# InternalError: convert failed\n")


HOSTILE = "``` </details>\n~~~~ \x1b[2J ````` <script>"


def test_a_message_stays_in_its_block_and_acts_on_no_terminal(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    monkeypatch.setattr(bug_report.Path, "home", lambda: folder)
    text = write_bug_report([str(folder / "a b")], HOSTILE, HOSTILE).read_text()
    assert "``````text\n``` </details>" in text
    assert "\x1b" not in text
    assert "'~/a b'" in text
    assert text.splitlines()[0].startswith("# ``` </details> ~~~~")


def test_a_file_that_cannot_be_written(folder: Path) -> None:
    with pytest.raises(OutputError):
        write_bug_report([], "headline", "message", file=folder / "none" / "report.md")


def test_a_refusal_is_the_page_that_was_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t2k_page_nets.py").write_text(NETS)
    arguments = ("t2k_page_nets:Unknown", "-i", "5,5", "-o", "net.keras")
    ran = command("convert", *arguments, "--report", "report.html")
    assert ran.code == 4
    page = (tmp_path / "report.html").read_text()
    assert "geqrf" in page
    assert "written: report.html" in ran.err
