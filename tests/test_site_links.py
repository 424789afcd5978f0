"""Links to nothing, and what is loaded from elsewhere, are found in a built site."""

from __future__ import annotations

import site_links


def write_site(folder, **pages):
    for name, body in pages.items():
        (folder / f"{name}.html").write_text(f"<html><body>{body}</body></html>", encoding="utf-8")
    return list(site_links.find_faults(folder))


def test_links_to_pages_anchors_and_other_hosts_are_good(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text("<h1 id='a'>A</h1>", encoding="utf-8")
    index = (
        '<a href="folder/#a">a</a><a href="#b">b</a><p id="b"></p><a href="https://keras.io">k</a>'
    )
    assert write_site(tmp_path, index=index) == []


def test_a_link_to_nothing_is_named(tmp_path):
    other = '<h2 id="here">'
    index = (
        '<a href="gone.html">a</a><a href="other.html#here">b</a><a href="other.html#gone">c</a>'
    )
    assert write_site(tmp_path, index=index, other=other) == [
        "index.html: links to gone.html",
        "index.html: links to other.html#gone",
    ]


def test_what_another_host_gives_is_named(tmp_path):
    index = (
        '<script src="https://cdn.example/a.js"></script><img src="//cdn.example/b.png">'
        '<link rel="canonical" href="https://example.org/"><link rel="stylesheet" href="c.css">'
    )
    assert write_site(tmp_path, index=index) == [
        "index.html: loads https://cdn.example/a.js",
        "index.html: loads //cdn.example/b.png",
    ]


def test_an_empty_site_is_a_fault(tmp_path, capsys):
    assert site_links.main([str(tmp_path)]) == 1
    assert "has no page" in capsys.readouterr().out
