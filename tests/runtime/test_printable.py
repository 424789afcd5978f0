"""Text of strangers."""

from __future__ import annotations

import pytest

from torch2keras.runtime.printable import show_controls


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
def test_what_would_act_is_written_out(text: str, shown: str) -> None:
    assert show_controls(text) == shown
