"""Links of docs/ that lead above it lead to pages within the site."""

from __future__ import annotations

import pytest

from site_hooks import SEARCH, let_scroll_by_keys, link_within, on_post_page


@pytest.mark.parametrize(
    ("depth", "link", "within"),
    [
        (0, "../SECURITY.md", "SECURITY.md"),
        (0, "../examples/fine_tune.py", "examples/fine_tune.md"),
        (1, "../../SECURITY.md#weights", "../SECURITY.md#weights"),
        (1, "../verify.md", "../verify.md"),
        (0, "verify.md#memory", "verify.md#memory"),
    ],
)
def test_links(depth, link, within):
    assert link_within(f"See [it]({link}), and go on.", depth) == f"See [it]({within}), and go on."


def test_tables_are_scrolled_by_keys_and_the_search_has_a_name():
    made = let_scroll_by_keys("<p>x</p><table><tr></tr></table>")
    assert made == '<p>x</p><table tabindex="0"><tr></tr></table>'
    assert 'aria-label="Search" role=' in on_post_page(f'<div {SEARCH} role="dialog">')
