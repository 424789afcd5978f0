"""The page of an inspection: what is refused first, then what becomes of each op."""

from __future__ import annotations

from torch2keras.reporting.page.page import make_environment


def render_inspection(inspection: object) -> str:
    """Return an `Inspection` as one HTML file: no script, no other file, no network."""
    template = make_environment().get_template("inspection.html.jinja")
    return template.render(inspection=inspection)
