"""The site's other pages, and that mkdocs.yml knows each page of docs/."""

from __future__ import annotations

import re

import pytest

import site_pages


@pytest.mark.parametrize(
    ("link", "within"),
    [
        ("[a](docs/verify.md#memory)", "[a](verify.md#memory)"),
        ("[a](SECURITY.md)", "[a](SECURITY.md)"),
        ("[LICENSE](LICENSE)", "[LICENSE]"),
        ("[a](https://keras.io)", "[a](https://keras.io)"),
        ("[a](#below)", "[a](#below)"),
    ],
)
def test_links_of_a_page_of_the_root(link, within):
    assert site_pages.move_links(link) == within


def test_an_example_is_a_page_of_its_code():
    path = site_pages.ROOT / "examples" / "article_conv1d.py"
    page = site_pages.show_example(path)
    assert page.startswith("# article_conv1d.py\n\nThree Conv1d layers that are often translated")
    assert path.read_text(encoding="utf-8").rstrip() in page


def test_every_page_has_its_place_in_the_site():
    configuration = (site_pages.ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    docs = site_pages.ROOT / "docs"
    for path in docs.rglob("*.md"):
        name = path.relative_to(docs).as_posix()
        assert re.search(rf"(^|[ /]){re.escape(name)}$", configuration, re.MULTILINE) or (
            path.parent.name == "errors"
        ), f"{name} has no place in the nav of mkdocs.yml"


def test_all_pages_are_written_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(site_pages, "make_pages", lambda: {"ops/index.md": "# Ops\n"})
    (tmp_path / "gone.md").write_text("old", encoding="utf-8")
    site_pages.main([str(tmp_path)])
    assert [path.name for path in tmp_path.rglob("*.md")] == ["index.md"]
