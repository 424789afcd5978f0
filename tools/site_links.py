"""Look at the built site: every link leads to something, and no page asks another host.

python tools/site_links.py [FOLDER]    # build/site by default
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).parent.parent
SITE = ROOT / "build" / "site"

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href"}
"""The attribute by which a tag has something loaded, as the page opens."""

NAMES_ONLY = {"canonical", "next", "prev", "alternate"}
"""Relations of a `link` that load nothing."""


class Page(HTMLParser):
    """What one file of HTML links to, loads and can be linked at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what the attributes of one tag name."""
        named = {key: value or "" for key, value in attrs}
        self.anchors |= {named.get("id", ""), named.get("name", "")}
        if tag == "a" and "href" in named:
            self.links.append(named["href"])
        only_names = tag == "link" and NAMES_ONLY & set(named.get("rel", "").split())
        if tag in LOADED and LOADED[tag] in named and not only_names:
            self.loads.append(named[LOADED[tag]])


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong, and return 1 where something is."""
    site = Path(arguments[0]) if arguments else SITE
    faults = list(find_faults(site))
    print("\n".join(faults) or f"{site}: every link leads somewhere, nothing comes from elsewhere")
    return int(bool(faults))


def find_faults(site: Path) -> Iterator[str]:
    """Yield a line for each link to nothing, and each thing that is loaded from another host."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    if not pages:
        yield f"{site} has no page"
    for path, page in pages.items():
        place = path.relative_to(site)
        for url in page.loads:
            if urlsplit(url).netloc:
                yield f"{place}: loads {url}"
        for url in page.links:
            if not urlsplit(url).scheme and not _is_there(site, path, url, pages):
                yield f"{place}: links to {url}"


def _is_there(site: Path, path: Path, url: str, pages: dict[Path, Page]) -> bool:
    """Return whether a relative link of a page leads to a file, and to an anchor of it."""
    target, anchor = urldefrag(url)
    found = path
    if target:
        base = site if target.startswith("/") else path.parent
        found = (base / unquote(urlsplit(target).path).lstrip("/")).resolve()
        if found.is_dir():
            found /= "index.html"
    if found not in pages:
        return found.is_file()
    return unquote(anchor) in pages[found].anchors


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
