"""Names of strangers: no terminal, page or source takes one for more than a name."""

from __future__ import annotations

import ast
import html.parser
import json
from pathlib import Path

import keras
import pytest
import torch
from torch import nn

import torch2keras as t2k
from torch2keras.errors import show_controls

MARKER = "marker_of_a_name"

NAMES = {
    "a terminal's command": "a\x1b[2J\x1b[Hb\x07\r\x9b31m",
    "a hidden order": "a\u202eb\u2066\u200b",
    "a line": "a\n\n  next     rm -rf /\n",
    "a row of blanks": " \t ",
    "an element": f"</title></style><script>{MARKER}</script><img src=x onerror={MARKER}>",
    "an attribute": f'" onload="{MARKER}" x="',
    "a template": "{{ 7 * 7 }}{% raw %}",
    "the end of a text": f'"+str(open("{MARKER}","w"))+"',
    "the end of a docstring": f'"""\nopen("{MARKER}","w")\n"""',
    "the end of a comment": f'#\nopen("{MARKER}","w")\n#',
    "a stroke": "\\",
    "braces": "{x!r}%s%(x)s",
    "another script": "名\u0301前",
    "a path": "../../a/b",
    "a long name": "a" * 10_000,
}


def make_net(name: str) -> nn.Module:
    """A module whose classes, parts, buffers and outputs are called so."""

    def forward(self, x):
        shifted = self.body(x) + getattr(self, tensor)
        return {name: shifted, "norm": (x * 2).sum(-1)}

    tensor = "b" + name.replace(".", "")
    cls = type(f"Net{name}", (nn.Module,), {"forward": forward, "__module__": f"m{name}"})
    net: nn.Module = cls()
    net.body = nn.Sequential()
    net.body.add_module(tensor, nn.Conv1d(3, 5, 3))
    net.body.add_module("head", nn.Linear(9, 4))
    net.register_buffer(tensor, torch.randn(4))
    return net.eval()


def require_harmless(text: str) -> None:
    assert text == show_controls(text)


class Page(html.parser.HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(key for key, _ in attrs)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.rglob(f"*{MARKER}*"))


@pytest.fixture(scope="module")
def plain_page():
    """What a page has whose names are plain."""
    return Page(t2k.convert(make_net("name"), torch.randn(2, 3, 11)).report.to_html())


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_is_a_name(kind: str, plain_page: Page) -> None:
    net, x = make_net(NAMES[kind]), torch.randn(2, 3, 11)
    converted = t2k.convert(net, x)
    assert converted.report.verified
    for text in (converted.report.full_text(), converted.report, t2k.inspect(net, x)):
        require_harmless(str(text))
    require_harmless(str(t2k.explain(net, x)))
    json.loads(converted.report.to_json())
    page = converted.report.to_html()
    require_harmless(page)
    found = Page(page)
    assert found.tags <= plain_page.tags
    assert found.attributes <= plain_page.attributes
    converted.save(Path("net.py"))
    code = Path("net.py").read_text(encoding="utf-8")
    require_harmless(code)
    assert not [node for node in ast.walk(ast.parse(code)) if ast.unparse(node) == "open"]
    built: dict[str, object] = {}
    exec(code, built)  # noqa: S102 - it is what is tested
    converted.save(Path("net.keras"))
    keras.saving.load_model("net.keras")
    state = converted.state_dict()
    require_harmless(str(converted.load_state_dict(state)))
    with pytest.raises(t2k.InputError) as error:
        converted.load_state_dict({NAMES[kind] + name: value for name, value in state.items()})
    require_harmless(str(error.value))


@pytest.mark.parametrize("kind", ["the end of a text", "a terminal's command", "a stroke"])
def test_a_name_is_a_name_in_an_onnx_file_too(kind: str) -> None:
    pytest.importorskip("onnxscript")
    converted = t2k.convert(make_net(NAMES[kind]), torch.randn(2, 3, 11), verify=False)
    with pytest.raises(t2k.DeploymentError) as error:
        converted.export("net.onnx")
    require_harmless(str(error.value))
    assert not Path("net.onnx").exists()


@pytest.mark.parametrize("kind", NAMES)
def test_a_refusal_shows_names_as_names(kind: str) -> None:
    class Refused(nn.Module):
        def forward(self, x):
            return torch.linalg.eig(x)[0]

    net = nn.Sequential()
    net.add_module(NAMES[kind].replace(".", ""), Refused())
    type(net[0]).__qualname__ = type(net[0]).__name__ = NAMES[kind]
    for example in (torch.randn(3, 3), torch.randn(3), NAMES[kind], {NAMES[kind]: 3}):
        with pytest.raises(t2k.Torch2KerasError) as error:
            t2k.convert(net, example)
        require_harmless(str(error.value))
        assert not isinstance(error.value, t2k.InternalError)
