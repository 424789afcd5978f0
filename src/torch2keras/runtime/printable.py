"""Text of strangers, so that it can be shown: names and messages may hold any character."""

from __future__ import annotations

import unicodedata

UNSEEN = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""The categories of characters that move the cursor, colour, reorder or hide text (Unicode)."""


def show_controls(text: str) -> str:
    r"""Return text in which what would act on a terminal or page is written out, as `\x1b`."""
    return "".join(map(_show_letter, text))


def _show_letter(letter: str) -> str:
    if letter == "\n" or unicodedata.category(letter) not in UNSEEN:
        return letter
    return letter.encode("unicode_escape").decode("ascii")
