"""The page of an error: everything of the message, escaped, without script or network."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest

import torch2keras as t2k
from torch2keras.errors import InternalError, UnsupportedOpError
from torch2keras.reporting.page.error_page import render_error

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "\x1b[2Jgone",
    "{{ 7 * 7 }}",
)


class Tags(HTMLParser):
    """The tags of a page and where they lead, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_data(self, data):
        self.text += data


def test_all_of_a_message_is_there():
    error = UnsupportedOpError("no lowering for aten.x", [("module", "a.b (C)"), ("next", "do y")])
    page = Tags(render_error(error, "torch2keras convert a:b -o c.keras"))
    for text in ("no lowering for aten.x", "a.b (C)", "do y", "convert a:b", error.page, "keras"):
        assert text in page.text
    assert "script" not in page.tags
    assert "Traceback" not in page.text


@pytest.mark.parametrize("text", HOSTILE)
def test_strangers_texts_do_nothing(text):
    page = render_error(InternalError(text, [("module", text)]), text)
    tags = Tags(page)
    assert not {"script", "img"} & tags.tags
    assert "\x1b" not in page
    assert text.replace("\x1b", "\\x1b") in tags.text


def test_a_fault_of_ours_has_its_traceback():
    error = InternalError("a fault")
    error.__cause__ = ValueError("deep")
    page = Tags(render_error(error))
    assert "Traceback" in page.text
    assert "ValueError: deep" in page.text


def test_the_home_folder_is_no_ones_business():
    error = t2k.Torch2KerasError("x", [("source", f"{Path.home()}/secret/net.py:3")])
    assert "~/secret/net.py:3" in render_error(error)
