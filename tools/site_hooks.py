"""What MkDocs does beside its own work: it takes in the pages that site_pages.py made.

MkDocs loads this file itself (`hooks` in mkdocs.yml).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
GENERATED = ROOT / "build" / "pages"

OUTSIDE = re.compile(r"\]\((?:\.\./)+(examples/[\w-]+|[A-Z]+)\.(?:py|md)(#[\w-]+)?\)")
"""A link of a page of docs/ to a file above it, which has a page in the site."""

SEARCH = 'class="md-search" data-md-component="search"'


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages to those of docs/."""
    from mkdocs.exceptions import PluginError
    from mkdocs.structure.files import File

    paths = sorted(GENERATED.rglob("*.md"))
    if not paths:
        message = f"{GENERATED} is empty: python tools/site_pages.py, or make docs"
        raise PluginError(message)
    for path in paths:
        name = path.relative_to(GENERATED).as_posix()
        files.append(File(name, str(GENERATED), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links to files above docs/ lead to their pages; on GitHub they lead to the files."""
    return link_within(markdown, page.file.src_uri.count("/"))


def on_page_content(html: str, **_: Any) -> str:
    """Let what may be wider than a page be scrolled by keys."""
    return let_scroll_by_keys(html)


def on_post_page(output: str, **_: Any) -> str:
    """Give the search a name, which the theme leaves out."""
    return output.replace(f"{SEARCH} role=", f'{SEARCH} aria-label="Search" role=')


def let_scroll_by_keys(html: str) -> str:
    """Return a page whose tables take the focus of the keyboard; the theme sees to its code."""
    return html.replace("<table>", '<table tabindex="0">')


def link_within(markdown: str, depth: int) -> str:
    """Return a page, so many folders below docs/, with its links within the site."""
    return OUTSIDE.sub(rf"]({'../' * depth}\1.md\2)", markdown)
