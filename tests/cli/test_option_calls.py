"""Wrong options and wrong SOURCEs by the dozen: the exit code, one document, and no traceback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from command import NETS
from torch2keras.cli import main as cli

NET = "option_nets.py:Small"
SHAPE = ("-i", "2,3,11")
INSPECT = ("inspect", NET, *SHAPE)
CONVERT = ("convert", NET, *SHAPE, "--no-verify")

SHAPES = (
    *("", " ", ",", "2,", ",3", "2,,3", "2;3", "2 3", "2x3", "a", "2,b", "-1,3", "2,-3", "2.5,3"),
    *("2,3:float", "2,3:", ":2,3", "2,3:int64:x", "x:", "x:y:2,3", "2,=3", "2,n=", "n=n,3"),
    *("\u0662,3", "2,3\x00", "0x2,3", "1e3", "(2,3)", "[2,3]", "2,None", "2,3:FLOAT32"),
)
LAYOUTS = (
    *("", "Keras", "tf", "keras,torch", "=", "x=", "=n l c", "x", "x=keras=torch", "x=n n c"),
    *("y=n l c", "x=a b", "x=n l c d", "x=1", "x=\x1b", "input=n l c", "x=n,l,l"),
)
OUTPUTS = (
    *(
        "",
        ".",
        "..",
        "/",
        "net",
        "net.",
        "net.txt",
        "net.KERAS2",
        ".keras2",
        "net.h5",
    ),
    *("net.tf", "none/net.keras", "folder", "file/net.keras", "/dev/null", "/dev/full", "net.pyc"),
    *("n" * 300 + ".keras", "a\x00.keras", "a/../../x/y.keras"),
)
WEIGHTS = (
    *("", "none.pth", ".", "folder", "file", "empty.pth", "empty.safetensors", "text.pth"),
    *("text.safetensors", "/dev/null", "n" * 300, "a\x00.pth", "loop.pth", "closed.bin"),
)
LAYERS = (
    *(
        "",
        " ",
        "nn",
        "nn.",
        "Conv1d",
        "Conv1d(",
        "Conv1d)",
        "Conv1d()",
        "Conv1d(3)",
        "conv1d(3, 5, 3)",
    ),
    *("nn.Conv9d(3, 5, 3)", "Conv1d(3, 5, 3, 1, 1, 1, 1, True, 'zeros', 3)", "Conv1d(3, 5, k=3)"),
    *("Conv1d(3, 5, 'a')", "Linear(3, 5)(x)", "Linear(3, 5); 1", "lambda: 3", "__import__('os')"),
    *(
        "Linear(*[3, 5])",
        "Linear(3, 5, **{})",
        "Linear(3.5, 5)",
        "Linear(None, 5)",
        "Linear(-3, 5)",
    ),
    *("Linear(3, 5", "[Linear(3, 5)]", "Linear(3, 10**400)", "(" * 300, "Linear(3, \u0665)"),
)

# What is called, and the exit codes that it may have.
CALLS: list[tuple[Sequence[str], set[int]]] = [
    *((("inspect", NET, "-i", shape), {2}) for shape in SHAPES),
    *(((*INSPECT, "--layout", layout), {2}) for layout in LAYOUTS),
    *(((*CONVERT, "-o", output), {2, 6}) for output in OUTPUTS),
    *(((*INSPECT, "--weights", file), {2, 3}) for file in WEIGHTS),
    *((("weights", file), {2, 3}) for file in WEIGHTS),
    *((("explain", layer), {2}) for layer in LAYERS),
    *(((*INSPECT, option, "x"), {2}) for option in ("--state", "--random", "--nothing")),
    *(((*INSPECT, option), {2}) for option in ("-i", "--layout", "--name", "--weights", "-x")),
    *(((*INSPECT, "--state", value), {2}) for value in ("", "Ports", "refuse,ports")),
    ((*INSPECT, "--entry", "ema"), {2}),
    ((*INSPECT, "--layout", "keras", "--layout", "torch"), {2}),
    ((*INSPECT, "-i", "2,3,11"), {2}),
    ((*INSPECT, "-i", "x:2,3,11"), {2}),
    ((*INSPECT, "-o", "net.keras"), {2}),
    ((*INSPECT, "--full=yes"), {2}),
    ((*INSPECT, "--name", ""), {0, 2}),
    ((*INSPECT, "--name", "a/b\x1b"), {0, 2}),
    (("ops", "conv9d"), {2}),
    (("ops", ""), {0}),
    (("ops", "*"), {2}),
    (("ops", "a", "b"), {2}),
    (("explain", "Linear(3, 5)", "-i", "x"), {2}),
    (("explain", "Linear(3, 5)", "-i", "n=2,3"), {2}),
    (("explain", "Linear(3, 5)", "-i", "2,4"), {2}),
    (("explain", "Linear(3, 5)", "Linear(3, 5)"), {2}),
    (("unknown",), {2}),
    (("Convert",), {2}),
    (("convert", NET), {2}),
    (("convert", "-o", "a.keras"), {2}),
    (("inspect",), {2}),
    (("weights",), {2}),
]

ZOOS = ("torchvision", "timm", "hf", "diffusers", "torchscript", "smp", "ultralytics")
NAMES = ("", " ", "none", "../x", "/", "a:b", "a b", "\x1b[2J", "n" * 300)
SOURCES = (
    *(f"{zoo}:{name}" for zoo in ZOOS for name in NAMES),
    *("", ":", "::", " : ", "option_nets", "option_nets:", ":Small", "option_nets:Smal", "a..b:c"),
    *("option_nets:Small()", "option_nets:Small.x", "option_nets.py", "option_nets.py:", "a b:c"),
    *("option_nets.py:Small:x", "file:x", "folder:x", "folder.py:x", "none.py:Small", "os:getcwd"),
    *(
        "os:path",
        "sys:exit",
        "builtins:eval",
        "torch:nn",
        "torch.nn:Linear",
        "torch:zeros",
        "json:x",
    ),
    *("option_nets:nn.Module", "option_nets:torch", "option_nets:__doc__", "lambda:x", "1:2"),
    *("http://x/y.pth", "weights.pth", "model.onnx", "\u0440:x", "option_nets:Small\n"),
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "option_nets.py").write_text(NETS)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("x")
    for name in ("empty.pth", "empty.safetensors"):
        (tmp_path / name).write_bytes(b"")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text("a text")
    (tmp_path / "loop.pth").symlink_to("loop.pth")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    sys.modules.pop("option_nets", None)
    yield
    sys.modules.pop("option_nets", None)


def run_json(
    arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> int:
    """Run a command with --json in this process, hold what it prints to the rules; its code."""
    monkeypatch.setattr(sys, "argv", ["torch2keras", arguments[0], "--json", *arguments[1:]])
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capfd.readouterr()
    code = int(left.value.code or 0)
    told = json.loads(out)
    assert ("error" in told) == (code != 0)
    assert "Traceback" not in out + err
    assert "InternalError" not in out
    assert not any(letter in out + err for letter in "\x1b\x07\x9b\x00")
    return code


@pytest.mark.parametrize("number", range(len(CALLS)), ids=lambda n: f"{n}-{CALLS[n][0][0]}")
def test_a_wrong_option(
    number: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments, codes = CALLS[number]
    before = sorted(Path.cwd().iterdir())
    assert run_json(arguments, monkeypatch, capfd) in codes, arguments
    assert sorted(Path.cwd().iterdir()) == before


@pytest.mark.parametrize("number", range(len(SOURCES)))
def test_a_wrong_source(
    number: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_json(("inspect", SOURCES[number], *SHAPE), monkeypatch, capfd) in {2, 3}


def test_the_tables_are_as_long_as_they_should_be() -> None:
    assert len(CALLS) >= 123
    assert len(SOURCES) >= 97
