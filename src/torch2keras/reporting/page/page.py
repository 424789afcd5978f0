"""The page of a report, from the template beside this file.

Everything that comes from a stranger (names, messages, lines of source) is escaped by jinja2, and
what would act without being seen is written out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from torch2keras.errors import show_controls
from torch2keras.reporting.facts import TIERS
from torch2keras.reporting.page.code_pairs import split_code
from torch2keras.reporting.page.drawing import draw_blocks
from torch2keras.reporting.page.evidence import Evidence
from torch2keras.reporting.page.module_tree import make_tree
from torch2keras.reporting.text import shorten_path

MOST_USERS = 12
"""How many modules are named above their code."""

LONGEST_NAME = 160
"""Characters of a name that are shown."""

FRAME_HEIGHT = 640
"""The pixels that a notebook gives the page."""


def render_page(report: object, evidence: Evidence | None) -> str:
    """Return the page of a `Report` as one HTML file: no script, no other file, no network.

    The values within the model are compared on the example for it, where the report has its
    conversion and was verified.
    """
    details = {} if evidence is None else _list_details(evidence)
    return (
        make_environment()
        .get_template("page.html.jinja")
        .render(report=report, tier_names=TIERS, details=details, most_users=MOST_USERS)
    )


def embed_page(page: str) -> str:
    """Return a page in a frame of its own, which takes nothing from the notebook around it."""
    data = base64.b64encode(page.encode()).decode("ascii")
    return (
        f'<iframe src="data:text/html;base64,{data}" sandbox title="report" '
        f'style="width:100%;height:{FRAME_HEIGHT}px;border:0"></iframe>'
    )


def embed_text(text: str) -> str:
    """Return a plain text as HTML, as a notebook shows it."""
    return f"<pre>{Markup.escape(show_controls(text))}</pre>"


def _list_details(evidence: Evidence) -> Mapping[str, Any]:
    """Return what the page shows of the conversion itself."""
    graph = evidence.conversion.lowered.graph
    tree = make_tree(evidence.conversion, evidence.measure())
    pairs = split_code(evidence.write_code())
    anchors = {pair.cls.rpartition(".")[2]: pair.anchor for pair in pairs if pair.cls}
    users: dict[str, list[str]] = {}
    for branch in tree.walk():
        if branch.cls in anchors:
            users.setdefault(anchors[branch.cls], []).append(branch.path)
    return {
        "facts": evidence.describe(),
        "tree": tree,
        "drawing": draw_blocks(graph, evidence.conversion.facts.classes),
        "pairs": pairs,
        "anchors": anchors,
        "users": users,
    }


def make_environment() -> jinja2.Environment:
    """Return what fills the templates beside this file; whatever is filled in is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_show,
    )
    environment.filters["brief"] = shorten_name
    environment.filters["place"] = shorten_path
    environment.filters["share"] = format_share
    environment.filters["shape"] = format_shape
    return environment


def _show(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return show_controls(value)


def shorten_name(name: str, longest: int = LONGEST_NAME) -> str:
    """Return a name as it can be read: of a very long one the first and the last characters."""
    if len(name) <= longest:
        return name
    kept = longest // 2
    return f"{name[:kept]}[{len(name) - 2 * kept} more]{name[-kept:]}"


def format_share(share: float) -> str:
    """Return a share of what is allowed as a reader sees it: "0.3 %", "less than 0.1 %"."""
    if share == 0.0:
        return "exact"
    if share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.2g} %" if share < 10 else f"{share:.1e} times"


def format_shape(shape: tuple[int | None, ...]) -> str:
    """Return a shape with `n` for what is dynamic."""
    return f"({', '.join('n' if size is None else str(size) for size in shape)})"
