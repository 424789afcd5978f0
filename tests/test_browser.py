"""The report, the pages of errors and the site in a browser: wide and narrow, light and dark.

`make browser` installs axe-core and runs these. They are skipped, loudly, where there is no
Chromium or no axe-core.
"""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import torch
from torch import nn

import torch2keras as t2k
from browser import ROOT, Browser, find_chromium, read_axe
from test_hostile_names import MARKER, NAMES
from torch2keras.errors import Torch2KerasError
from torch2keras.reporting.page.error_page import render_error

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

NARROW, WIDE = 400, 1280
"""Pixels of a telephone and of a desk."""

MOST_BYTES = 10**6

SITE = ROOT / "build/site"

SITE_PAGES = (
    "index.html", "guides/first-conv1d/index.html", "layers/nn.Conv1d/index.html", "ops/index.html",
    "errors/VerificationError/index.html", "guides/questions/index.html", "api/index.html",
    "benchmarks/index.html", "report/index.html",
)  # fmt: skip


def report_resnet() -> str:
    from torchvision.models import resnet50

    torch.manual_seed(0)
    return t2k.convert(resnet50().eval(), torch.randn(1, 3, 64, 64)).report.to_html()


def report_bert() -> str:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 64, "num_hidden_layers": 12, "num_attention_heads": 4}
    net = BertModel(BertConfig(**sizes, intermediate_size=128, vocab_size=211)).eval()
    given = {"input_ids": torch.randint(0, 211, (2, 17)), "attention_mask": torch.ones(2, 17).int()}
    return t2k.convert(net, kwargs=given).report.to_html()


def report_hostile() -> str:
    """A net whose classes and modules are called as no net should be."""
    net = nn.Sequential()
    for name in NAMES.values():
        cls = type(f"Net{name}", (nn.Conv1d,), {"__module__": f"m{name}"})
        net.add_module(f"a{name}".replace(".", ""), cls(3, 3, 1))
    return t2k.convert(net.eval(), torch.randn(2, 3, 11), name="hostile").report.to_html()


def report_inspection() -> str:
    class Net(nn.Module):
        def forward(self, x):
            return torch.nonzero(x.relu()), x.unique(), x.transpose(1, 2)

    return t2k.inspect(Net(), torch.randn(2, 3, 11)).to_html()


def failed_verification() -> str:
    class Net(nn.Module):
        def forward(self, x):
            return x.relu()

    converted = t2k.convert(Net(), torch.randn(2, 3, 11), verify=False)
    Net.forward = lambda _, x: x.sigmoid()
    return _render_failure(converted.verify)


def refusal() -> str:
    class Net(nn.Module):
        def forward(self, x):
            return torch.nonzero(x)

    return _render_failure(lambda: t2k.convert(Net(), torch.randn(2, 3)))


def hostile_refusal() -> str:
    rows = [(f"row{name}", name) for name in NAMES.values()]
    return render_error(t2k.LoweringError("".join(NAMES.values()), rows), "".join(NAMES.values()))


def _render_failure(fail: Callable[[], object]) -> str:
    try:
        fail()
    except Torch2KerasError as error:
        return render_error(error, "torch2keras convert a:b -o c.keras --report c.html")
    raise AssertionError


PAGES: Mapping[str, Callable[[], str]] = {
    "resnet50": report_resnet,
    "bert": report_bert,
    "hostile": report_hostile,
    "inspection": report_inspection,
    "failed_verification": failed_verification,
    "refusal": refusal,
    "hostile_refusal": hostile_refusal,
}


@pytest.fixture(scope="module")
def axe() -> str:
    return read_axe()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(find_chromium()) as browser:
        yield browser


@pytest.fixture(scope="module", params=PAGES)
def page(request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    file.write_text(PAGES[request.param](), encoding="utf-8")
    return file


def test_a_page_is_small(page: Path) -> None:
    assert page.stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_a_page_is_readable(browser: Browser, axe: str, page: Path, width: int, dark: bool) -> None:
    tab = browser.open(page.as_uri(), width=width, dark=dark)
    assert tab.requests == [page.as_uri()]
    assert tab.messages == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(SMALLEST_TEXT) >= 11
    assert tab.evaluate(f"document.querySelectorAll('script, img, iframe, [{MARKER}]').length") == 0
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 3 * 128) == dark
    assert tab.find_faults(axe) == []
    browser.close(tab)


SMALLEST_TEXT = """Math.min(...[...document.querySelectorAll('p, td, text, code, pre, span.path')]
    .filter(element => element.textContent.trim() && element.getBoundingClientRect().width)
    .map(element => parseFloat(getComputedStyle(element).fontSize)
        * (element.ownerSVGElement ? element.ownerSVGElement.getScreenCTM().a : 1)))"""
"""The pixels of the smallest letters, as they are shown."""


def test_a_block_leads_to_its_code_or_its_layers(browser: Browser, tmp_path: Path) -> None:
    file = tmp_path / "net.html"
    file.write_text(report_small(), encoding="utf-8")
    tab = browser.open(file.as_uri(), width=WIDE)
    shown = "(text => document.querySelector(':target').checkVisibility())()"
    for label in ("block", "last"):
        tab.evaluate(f"""[...document.querySelectorAll('svg a')]
            .find(link => link.textContent.includes({label!r}))
            .dispatchEvent(new MouseEvent('click', {{bubbles: true}}))""")
        assert tab.evaluate(shown)
    assert tab.evaluate("document.querySelector(':target').id") == "module-last"
    assert tab.evaluate("document.querySelector(':target').closest('details').open")
    browser.close(tab)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.conv(x)).relu() + x


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.block = Block()
        self.block2 = Block()
        self.last = nn.Conv1d(3, 5, 3)

    def forward(self, x):
        return self.last(self.block2(self.block(x)))


def report_small() -> str:
    return t2k.convert(Net().eval(), torch.randn(2, 3, 11)).report.to_html()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of the site, served by this process."""
    if not (SITE / "index.html").is_file():
        pytest.skip("NO SITE: no page of it was looked at. `make docs` makes it.")
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("name", SITE_PAGES)
def test_a_page_of_the_site_is_readable(
    browser: Browser, axe: str, site: str, name: str, width: int, dark: bool
) -> None:
    tab = browser.open(site + name, width=width, dark=dark)
    scheme = "slate" if dark else "default"
    tab.wait_until(f"document.body.dataset.mdColorScheme === {scheme!r}")
    assert not [asked for asked in tab.requests if not asked.startswith((site, "data:", "blob:"))]
    assert tab.messages == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.scroll_through()
    assert tab.find_faults(axe) == []
    browser.close(tab)


@pytest.mark.parametrize("asked", ["nn.Conv1d", "F.conv1d", "aten.conv1d"])
def test_an_op_is_found_by_its_name(browser: Browser, site: str, asked: str) -> None:
    tab = browser.open(f"{site}?q={asked}", width=WIDE)
    tab.wait_until("document.querySelector('.md-search-result__item a') !== null")
    links = "[...document.querySelectorAll('.md-search-result__item a')].map(a => a.href)"
    assert any("conv" in link.lower() for link in tab.evaluate(links)[:5])
    browser.close(tab)
