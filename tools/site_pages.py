"""The pages of the documentation that are made: of every op, every layer, every example.

    python tools/site_pages.py [FOLDER]    # build/pages by default; two minutes

`make docs` runs it before MkDocs; site_hooks.py takes them in.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from site_hooks import GENERATED, ROOT
from site_layers import describe_layers, list_pages, name_layers_of_ops
from site_ops import list_entries, write_families, write_index

PROJECT = ("SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Files at the root that have their place in the site."""

LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")


def main(arguments: Sequence[str]) -> None:
    """Write all of them; what an earlier run left is removed."""
    folder = Path(arguments[0]) if arguments else GENERATED
    pages = make_pages()
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    print(f"{len(pages)} pages in {folder}")


def make_pages() -> dict[str, str]:
    """Return the text of each page by its place in the site."""
    layers = describe_layers()
    entries = list_entries(name_layers_of_ops(layers))
    pages = {"layers/index.md": list_pages(layers), "ops/index.md": write_index(entries)}
    for layer in layers:
        pages[f"layers/nn.{layer.name}.md"] = str(layer)
    for family, text in write_families(entries).items():
        pages[f"ops/{family}.md"] = text
    for example in sorted((ROOT / "examples").glob("*.py")):
        pages[f"examples/{example.stem}.md"] = show_example(example)
    for name in PROJECT:
        pages[name] = move_links((ROOT / name).read_text(encoding="utf-8"))
    return pages


def show_example(path: Path) -> str:
    """Return a page with the code of an example."""
    code = path.read_text(encoding="utf-8").rstrip()
    title = (ast.get_docstring(ast.parse(code)) or path.stem).partition("\n")[0]
    return f"# {path.name}\n\n{title}\n\n```python\n{code}\n```\n"


def move_links(text: str) -> str:
    """Return a page of the root as a page of the site: a link to a page of docs/ leads to it.

    One to what has no page is its text alone.
    """

    def move(match: re.Match[str]) -> str:
        target, anchor = match[1], match[2] or ""
        if target.startswith("docs/") or target in PROJECT:
            return f"]({target.removeprefix('docs/')}{anchor})"
        return "]"

    return LINK.sub(move, text)


if __name__ == "__main__":
    main(sys.argv[1:])
