"""The command line."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import keras
import pytest
import torch

from command import NETS, command
from exported import assert_golden
from torch2keras import errors
from torch2keras.cli import main as cli
from torch2keras.cli.sources import load_source
from torch2keras.declarations.registry import Lowering, registry


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "t2k_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    sys.modules.pop("t2k_nets", None)


SMALL = ("convert", "t2k_nets:Small", "-o", "small.keras", "-i")


def test_convert_writes_a_model_and_prints_the_report(folder):
    ran = command(*SMALL, "2,3,11")
    assert ran.code == 0
    assert ran.out.startswith("Small: ")
    assert "Conv1D" in ran.out
    assert ran.out.endswith("saved small.keras\n")
    assert ran.err.split() == " ... ".join(["load", *cli_stages(), "save", ""]).split()
    model = keras.saving.load_model(folder / "small.keras", safe_mode=True)
    assert model.input_shape == (None, 11, 3)


def cli_stages():
    return ["capture", "import", "layout", "lower", "build", "verify"]


def test_convert_with_json_prints_one_document():
    ran = command(*SMALL, "2,3,length=11", "--json", "--name", "tiny", "--layout", "torch")
    assert ran.code == 0
    assert ran.json["saved"] == "small.keras"
    report = ran.json["report"]
    assert report["name"] == "tiny"
    assert report["inputs"][0]["keras_shape"] == [None, 3, None]
    assert report["verified"]["tiers"]


def test_quiet_prints_nothing_and_no_verify_does_not_verify(folder):
    ran = command(*SMALL, "2,3,11", "--quiet", "--no-verify")
    assert (ran.code, ran.out, ran.err) == (0, "", "")
    ran = command(*SMALL, "2,3,11", "--json", "--no-verify")
    assert ran.json["report"]["verified"] is None
    assert "verify" not in ran.err


REFUSED = [
    ("no_input", 2, ["convert", "t2k_nets:Small", "-o", "a.keras"]),
    ("bad_shape", 2, [*SMALL, "2x3"]),
    ("bad_dtype", 2, [*SMALL, "2,3:float33"]),
    ("unknown_source", 2, ["convert", "t2k_nets:Smal", "-o", "a.keras", "-i", "2,3"]),
    ("two_inputs", 2, [*SMALL, "2,3,11", "-i", "2,3"]),
    ("suffix", 6, ["convert", "t2k_nets:Small", "-o", "a.h5", "-i", "2,3,11"]),
    ("no_folder", 6, ["convert", "t2k_nets:Small", "-o", "no/where/a.keras", "-i", "2,3,11"]),
    ("folder", 6, ["convert", "t2k_nets:Small", "-o", ".", "-i", "2,3,11"]),
    ("ops", 2, ["ops", "conv9d"]),
    ("explain_shape", 2, ["explain", "nn.Conv1d(3, 5, 3)", "-i", "2,n=3"]),
]


@pytest.mark.parametrize(("name", "code", "arguments"), REFUSED, ids=[case[0] for case in REFUSED])
def test_refusals(name, code, arguments, folder):
    ran = command(*arguments, *(["--quiet"] if arguments[0] == "convert" else []))
    assert ran.code == code
    assert ran.out == ""
    assert_golden(f"cli_{name}", ran.err.rstrip().replace(str(folder), "FOLDER"))
    told = command(*arguments, "--json")
    assert told.code == code
    assert set(told.json["error"]) == {"type", "message", "rows", "page"}
    assert ran.err.startswith(f"{told.json['error']['type']}: {told.json['error']['message']}")
    assert sorted(p.name for p in folder.iterdir() if p.name != "__pycache__") == ["t2k_nets.py"]


def all_errors(base=errors.Torch2KerasError):
    for error in base.__subclasses__():
        yield error
        yield from all_errors(error)


@pytest.mark.parametrize("error", list(all_errors()), ids=lambda error: error.__name__)
def test_every_error_has_an_exit_code(error, monkeypatch):
    def fails(*_, **__):
        raise error("it does not work", [("next", "try [something] else")])

    monkeypatch.setattr(cli, "build_call", fails)
    ran = command(*SMALL, "2,3,11", "-q")
    assert ran.code == cli.EXIT_CODES[error]
    assert ran.err == (
        f"{error.__name__}: it does not work\n\n"
        "  next     try [something] else\n"
        f"  page     docs/errors/{error.__name__}.md\n"
    )
    assert command(*SMALL, "2,3,11", "--json").json == {
        "error": {
            "type": error.__name__,
            "message": "it does not work",
            "rows": {"next": "try [something] else"},
            "page": f"docs/errors/{error.__name__}.md",
        }
    }


def test_a_bug_says_what_to_attach(monkeypatch):
    monkeypatch.setattr(cli, "build_call", cli.require_writable)  # which takes other arguments
    ran = command(*SMALL, "2,3,11", "--json")
    told = ran.json["error"]
    assert (ran.code, told["type"]) == (1, "InternalError")
    assert "cli/main.py" in told["rows"]["at"]
    assert "report it" in told["rows"]["next"]


def test_the_report_is_written_as_a_page(folder):
    ran = command(*SMALL, "2,3,11", "--report", "report.html", "-q")
    assert ran.code == 0
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    ran = command(*SMALL, "2,3,11", "--report", "report.pdf")
    assert ran.code == 6
    assert "report.pdf does not end in .html, .json, .txt" in ran.err


def test_the_report_is_folded_and_whole_on_request():
    folded = command(*SMALL, "2,3,11")
    assert max(map(len, folded.out.splitlines())) <= 80
    assert "t2k_nets.py:" not in folded.out
    assert "t2k_nets.py:" in command(*SMALL, "2,3,11", "--full").out


def test_explain_shows_that_it_works():
    ran = command("explain", "Linear(3, 5)")
    stages = ["load", "capture", "import", "layout", "lower", "build", "verify"]
    assert ran.err == "".join(f"{stage} ...\n" for stage in stages)


def test_ops_lists_what_the_registry_holds():
    lines = command("ops").out.splitlines()
    assert any(line.startswith("aten.conv1d.default ") for line in lines)
    assert any(line.startswith("aten.permute.default ") for line in lines)
    assert lines == sorted(lines, key=lambda line: line.split()[0])


@pytest.fixture
def psi(monkeypatch):
    """An op of the registry whose declaration is known."""
    op = torch.ops.aten.special_psi.default
    made = Lowering(
        op, abs, "n c *s -> n c *s", "n *s c -> n *s c", summary="`Psi` of [x].", when="never"
    )
    monkeypatch.setitem(registry.lowerings, op, made)


def test_ops_with_a_name_shows_all_that_is_known(psi):
    assert command("ops", "special_psi").out == (
        "aten.special_psi.default\n"
        "  Keras   Psi of [x]\n"
        "  axes    n c *s -> n c *s\n"
        "  kernel  n *s c -> n *s c\n"
        "  note    never\n"
    )


def test_ops_as_json(psi):
    rows = {row["op"]: row for row in command("ops", "--json").json["ops"]}
    assert len(rows) == len(list(registry))
    assert rows["aten.special_psi.default"] == {
        "op": "aten.special_psi.default",
        "keras": "Psi of [x]",
        "axes": "n c *s -> n c *s",
        "keras_order": "n *s c -> n *s c",
        "note": "never",
    }
    assert rows["aten.conv1d.default"]["axes"] == "by arguments"
    assert rows["aten.permute.default"]["keras"] == "nothing"


def test_explain():
    ran = command("explain", "nn.Conv1d(3, 5, 3, stride=2, padding=1)")
    assert ran.code == 0
    assert "ZeroPadding1D" in ran.out
    names: dict[str, Any] = {}
    exec(compile(ran.out, "<stdout>", "exec"), names)  # noqa: S102 - it is printed to be pasted
    assert names["model"].output_shape == (None, 10, 5)
    linear = command("explain", "Linear(3, 5)", "-i", "2,3", "--json").json
    assert linear["layer"] == "nn.Linear(3, 5)"


def test_explain_takes_what_convert_takes():
    ran = command("explain", SMALL[1], "-i", "2,3,11")
    assert ran.code == 0
    names: dict[str, Any] = {"layer": load_source(SMALL[1])}
    exec(compile(ran.out, "<stdout>", "exec"), names)  # noqa: S102 - it is printed to be pasted
    assert names["model"].input_shape == (None, 11, 3)
    several = command("explain", "MSELoss()", "-i", "2,3", "-i", "2,3")
    assert "PyTorch (batch, 3)  Keras (batch, 3)" in several.out
    named = command("explain", SMALL[1], "-i", "x:2,3,11")
    assert (named.code, "by place" in named.err) == (2, True)


def test_explain_reads_a_program_that_is_trusted(folder):
    torch.jit.save(torch.jit.trace(torch.nn.Linear(3, 5), torch.ones(2, 3)), "net.pt")
    source = ("explain", "torchscript:net.pt", "-i", "2,3")
    refused = command(*source)
    assert (refused.code, "--trust" in refused.err) == (3, True)
    ran = command(*source, "--trust")
    assert ran.code == 0, ran.err
    assert "Dense(" in ran.out
    for layer in ("nn.Linear(3, 5)", SMALL[1]):
        useless = command("explain", layer, "-i", "2,3", "--trust")
        assert (useless.code, "--trust is for" in useless.err) == (2, True)


def test_explain_never_evaluates(folder):
    ran = command("explain", "nn.Conv1d(open('made', 'w').fileno(), 5, 3)")
    assert ran.code == 2
    assert not (folder / "made").exists()


def test_weights_of_a_file_are_taken_said_and_listed(folder):
    torch.manual_seed(1)
    state = {"conv.weight": torch.randn(5, 3, 3), "conv.bias": torch.randn(5)}
    state |= {"head.weight": torch.randn(7, 5), "head.bias": torch.randn(7)}
    torch.save({"state_dict": {f"net.{k}": v for k, v in state.items()}}, folder / "a.ckpt")
    ran = command(*SMALL, "2,3,11", "--weights", "a.ckpt", "--json")
    assert ran.code == 0, ran.out
    note = ran.json["report"]["notes"][0]
    assert note == (
        "The weights are 4 tensors of a.ckpt, its entry 'state_dict', without the prefix 'net.' of"
        " their names."
    )
    model = keras.saving.load_model(folder / "small.keras", safe_mode=True)
    biases = [weight.numpy() for weight in model.weights if weight.shape == (7,)]
    assert (biases[0] == state["head.bias"].numpy()).all()
    listed = command("weights", "a.ckpt", "--json")
    assert listed.json["tensors"][0] == {
        "entry": "state_dict",
        "name": "net.conv.weight",
        "shape": [5, 3, 3],
        "dtype": "float32",
    }
    assert "net.head.bias    [7]        float32" in command("weights", "a.ckpt").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("weights", "nothing.pth"), 2),
        (("weights", "t2k_nets.py"), 2),
        ((*SMALL, "2,3,11", "--weights", "nothing.pth"), 2),
        ((*SMALL, "2,3,11", "--entry", "ema"), 2),
    ],
)
def test_weights_that_are_refused(arguments, code):
    ran = command(*arguments, "--json")
    assert ran.code == code
    assert ran.json["error"]["rows"]["next"]


def run_main(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["torch2keras", *arguments])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code


@pytest.mark.parametrize(
    "arguments", [("convert", "x"), ("convert",), ("nothing",), ("ops", "--colour")]
)
def test_usage_errors(arguments, monkeypatch, capsys):
    assert run_main(monkeypatch, *arguments) == 2
    assert capsys.readouterr().out == ""
    assert run_main(monkeypatch, *arguments, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["type"] == "UsageError"


def test_main_gives_the_exit_code_with_json_too(monkeypatch, capsys):
    assert run_main(monkeypatch, "ops", "conv9d") == 2
    assert run_main(monkeypatch, "ops", "conv9d", "--json") == 2
    capsys.readouterr()
    assert run_main(monkeypatch, "ops", "aten.linear", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ops"]


def test_version(monkeypatch, capsys):
    assert run_main(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("torch2keras 0.")


def test_help_is_short_too(monkeypatch, capsys):
    for arguments in (("-h",), ("convert", "-h"), ("weights", "-h")):
        assert run_main(monkeypatch, *arguments) == 0
        assert "Usage" in capsys.readouterr().out


def test_the_order_of_a_port_by_its_name():
    ran = command(*SMALL, "2,3,11", "--json", "--layout", "output=n c l", "--no-verify")
    assert ran.code == 0, ran.out
    assert ran.json["report"]["outputs"][0]["order"] == "n c l"
    refused = command(*SMALL, "2,3,11", "--json", "--layout", "y=n c l")
    assert refused.code == 2
    assert "names no port 'y'" in refused.json["error"]["message"]


def test_help_imports_no_framework():
    code = (
        "import sys, torch2keras.cli.main;"
        "print(sorted({'torch', 'keras', 'tensorflow', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_dynamic_sizes_of_two_inputs_that_must_be_equal(folder):
    ran = command(
        "convert",
        "t2k_nets:Strided",
        "-o",
        "a.keras",
        "-i",
        "2,3,length=20",
        "-i",
        "2,5,other=10",
        "--json",
    )
    assert ran.code == 0, ran.out
    assert [p["torch_shape"] for p in ran.json["report"]["inputs"]] == [
        [None, 3, None],
        [None, 5, None],
    ]
    assert ran.json["report"]["verified"]["probes"][-1][0] == "another size, one row wide"


def test_gradients_are_compared_when_asked_for(folder):
    ran = command(*SMALL, "2,3,11", "--json", "--verify", "gradients")
    (_, in_train_mode) = ran.json["report"]["learning"]
    assert in_train_mode["what"] == "gradients, train mode"
    assert set(in_train_mode["verdicts"].values()) == {"equal"}


def test_to_verify_and_not_to_verify_are_opposites(folder):
    ran = command(*SMALL, "2,3,11", "--no-verify", "--verify", "training")
    assert ran.code == 2
    assert "opposites" in ran.err
