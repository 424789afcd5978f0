"""What the pages name is there, and their Python runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

import torch2keras as t2k
from torch2keras.custom_ops.leaf_modules import LEAVES
from torch2keras.declarations.registry import registry

ROOT = Path(__file__).parent.parent
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BASES = (ROOT, ROOT / "docs", ROOT / "src" / "torch2keras")
PATH = re.compile(r"`((?:[\w.-]+/)*[\w-]+(?:\.py|\.md|/))`")
LINK = re.compile(r"\]\(([^)#:]+)\)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)

PLACEHOLDERS = {
    "a/b.py",
    "net/",
    "src/torch2keras/a/b.py",
    "tests/a/test_b.py",
    "torch2keras-report.md",
}
"""Paths that stand for any other, and what a command writes."""


def named_paths(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    return {*PATH.findall(text), *LINK.findall(text)} - PLACEHOLDERS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_is_there(page):
    assert not [name for name in named_paths(page) if not is_there(name, page.parent)]


def is_there(name: str, folder: Path) -> bool:
    return any((base / name).exists() for base in (*BASES, folder))


def test_a_path_that_is_gone_would_be_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("See `layout/solver.py`, `ops/` and [this](gone.md); `keras.ops` is no path.\n")
    assert named_paths(page) == {"layout/solver.py", "ops/", "gone.md"}


def examples_of(page: str) -> list[str]:
    return PYTHON.findall((ROOT / page).read_text(encoding="utf-8"))


@pytest.fixture
def registry_kept(monkeypatch):
    """What a page registers is gone again."""
    monkeypatch.setattr(registry, "lowerings", dict(registry.lowerings))
    leaves = dict(LEAVES)
    yield
    LEAVES.clear()
    LEAVES.update(leaves)


def test_the_readme_converts_and_passes_tensors(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in examples_of("README.md"):
        exec(compile(code, "README.md", "exec"), names)  # noqa: S102 - our own page
    assert (tmp_path / "model.keras").is_file()
    assert "Conv1D" in capsys.readouterr().out


@pytest.mark.usefixtures("registry_kept")
def test_the_op_of_the_page_converts():
    (code,) = examples_of("docs/add-an-op.md")
    names: dict[str, object] = {}
    exec(compile(code, "add-an-op.md", "exec"), names)  # noqa: S102 - our own page

    class Hypot(torch.nn.Module):
        def forward(self, x, y):
            return torch.hypot(x, y)

    assert registry.lowerings[torch.ops.aten.hypot.default].convert is names["hypot"]
    t2k.convert(Hypot().eval(), (torch.randn(2, 3), torch.randn(2, 3)))


@pytest.mark.usefixtures("registry_kept")
def test_the_leaf_of_the_page_converts():
    (code,) = examples_of("docs/leaf-modules.md")
    names: dict[str, object] = {}
    exec(compile(code, "leaf-modules.md", "exec"), names)  # noqa: S102 - our own page
    converted = t2k.convert(names["Snake"](3).eval(), torch.randn(2, 3, 11))
    assert converted.inputs[0].order == "n l c"


def test_each_promise_of_security_names_tests_that_are_there():
    root = Path(__file__).parent.parent
    table = [
        line
        for line in (root / "SECURITY.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| ") and not line.startswith("| promise")
    ]
    assert len(table) >= 12
    for line in table:
        _, _, named, _ = line.split("|")
        files = re.findall(r"`(tests/[\w/]+\.py)`", named)
        assert files, line
        assert all((root / file).is_file() for file in files), line
