"""The code of the guides runs, one block after the other, and prints what the page says."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"
GUIDES = sorted(
    [DOCS / "index.md", *(DOCS / "guides").glob("*.md"), *(DOCS / "errors").glob("*.md")]
)
CODE = re.compile(r"```python\n(?P<code>.*?)```(?:\s*```text\n(?P<printed>.*?)```)?", re.DOTALL)


def blocks_of(text: str) -> Iterator[tuple[str, str | None]]:
    """The code of each block, and what stands right below it as its output."""
    for found in CODE.finditer(text):
        yield found["code"], found["printed"]


def run_page(text: str) -> None:
    """Run the blocks in one namespace, and hold what they print to the page."""
    names: dict[str, Any] = {"__name__": "__guide__"}
    for code, printed in blocks_of(text):
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, "<guide>", "exec"), names)  # noqa: S102 - our own page
        if printed is not None:
            assert output.getvalue().strip() == printed.strip()


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """What a page writes stands here, and what it can import then is gone again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield
    for name in {"net"} - known:
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("own_folder")
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_a_guide_runs(page):
    run_page(page.read_text(encoding="utf-8"))


def test_another_output_would_be_seen():
    page = "```python\nprint(1 + 1)\n```\n\n```text\n{}\n```\n"
    run_page(page.format(2))
    with pytest.raises(AssertionError):
        run_page(page.format(3))


def test_a_text_further_below_is_no_output():
    page = "```python\nx = 1\n```\n\nThe message:\n\n```text\nno output\n```\n"
    assert list(blocks_of(page)) == [("x = 1\n", None)]
