"""The report as a page."""

from __future__ import annotations

import base64
import html.parser
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.keras_model.saving import REPORT_SUFFIXES
from torch2keras.reporting.page.page import embed_text, format_shape, format_share, shorten_name
from torch2keras.reporting.report import WRITERS

HOSTILE = "</pre><script>alert(1)</script>\x1b[2J\u202e\"'&"
VOID = ("meta", "br", "hr", "img", "input", "link", "rect", "path")


class Reader(html.parser.HTMLParser):
    """Collects tags, texts and anchors, and refuses what does not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        given = dict(attrs)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if "href" in given else []
        assert not any(name.startswith("on") for name in given)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data


@pytest.fixture(scope="module")
def converted() -> t2k.Converted:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(3, 5, 3), nn.BatchNorm1d(5), nn.ReLU(), nn.Conv1d(5, 2, 2))
    return t2k.convert(net.eval(), torch.randn(2, 3, 11), name="Tiny")


def test_the_page_holds_all_and_needs_nothing(converted) -> None:
    page = converted.report.to_html()
    read = Reader(page)
    assert "script" not in read.tags
    assert not re.search(r"(src|href)=[\"']?(?!#)", page.replace('href="#', ""))
    assert "url(" not in page
    for shown in ("Tiny", "verified", "Conv1D", "0.weight", "(5, 3, 3)", "def build(", "n l c"):
        assert shown in read.text
    anchors = {link.removeprefix("#") for link in read.links}
    assert anchors
    assert anchors <= set(read.ids)
    assert len(read.ids) == len(set(read.ids))


def test_equal_conversions_give_equal_pages(converted) -> None:
    assert converted.report.to_html() == converted.report.to_html()


def test_a_model_that_was_not_verified_says_so() -> None:
    converted = t2k.convert(nn.Linear(3, 5), torch.randn(2, 3), verify=False)
    read = Reader(converted.report.to_html())
    assert "not verified" in read.text


def test_names_of_strangers_are_shown_and_do_nothing() -> None:
    net = nn.Sequential()
    net.add_module(HOSTILE.replace(".", ""), nn.Conv1d(3, 5, 3))
    net.__class__ = type(HOSTILE, (nn.Sequential,), {})
    page = t2k.convert(net.eval(), torch.randn(2, 3, 11), name="x").report.to_html()
    read = Reader(page)
    assert "script" not in read.tags
    assert "<script>alert(1)</script>\\x1b[2J" in read.text
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_each_suffix_has_its_writer(converted, tmp_path: Path) -> None:
    assert tuple(WRITERS) == REPORT_SUFFIXES
    report = converted.report
    assert report.save(tmp_path / "r.html").read_text() == report.to_html()
    assert json.loads(report.save(tmp_path / "r.json").read_text())["name"] == "Tiny"
    assert report.save(tmp_path / "r.txt").read_text() == report.full_text()


@pytest.mark.parametrize("name", ["r.pdf", "missing/r.html", ""])
def test_a_place_where_nothing_can_be_written_is_refused(converted, tmp_path, name) -> None:
    with pytest.raises(t2k.OutputError):
        converted.report.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_notebook_shows_the_page_in_a_frame(converted) -> None:
    shown = converted.report._repr_html_()
    data = re.search(r"base64,([^\"]+)", shown)
    assert base64.b64decode(data.group(1)).decode() == converted.report.to_html()
    assert " sandbox " in shown
    assert embed_text("<b>\x1b") == "<pre>&lt;b&gt;\\x1b</pre>"
    assert t2k.explain(nn.ReLU())._repr_html_().startswith("<pre>")


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.0, "exact"),
        (1e-5, "< 0.1 %"),
        (0.128, "13 %"),
        (0.0512, "5.1 %"),
        (12.0, "1.2e+01 times"),
    ],
)
def test_a_share_is_written_for_a_reader(share: float, shown: str) -> None:
    assert format_share(share) == shown


def test_a_very_long_name_is_cut() -> None:
    assert shorten_name("conv1") == "conv1"
    assert shorten_name("a" * 160) == "a" * 160
    assert shorten_name("a" * 200 + "b") == "a" * 80 + "[41 more]" + "a" * 79 + "b"


def test_a_dynamic_size_has_a_letter() -> None:
    assert format_shape((None, 3, 7)) == "(n, 3, 7)"
