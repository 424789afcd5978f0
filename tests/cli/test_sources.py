"""What a SOURCE names, and what each wrong one gets."""

from __future__ import annotations

import sys

import pytest
from torch import nn

from exported import assert_golden
from torch2keras.cli.sources import load_source
from torch2keras.errors import SourceError

CODE = '''
import torch
from torch import nn

class Small(nn.Module):
    """A class without arguments."""
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv1d(3, 5, 3)

def factory():
    return Small()

class Zoo:
    factory = staticmethod(factory)

def sized(channels, *, kernel, stride=1, **rest):
    return Small()

def broken():
    raise RuntimeError("there are no weights here")

def quits():
    raise SystemExit("bye")

def nothing():
    return None

ready = Small()
number = 3
'''

FILES = ["t2k_nets.py:factory", "t2k_package/deep.py:factory", "deep/er/t2k_alone.py:Small"]


GOOD = [
    "t2k_nets:factory",
    "t2k_nets:Small",
    "t2k_nets:ready",
    "t2k_nets:Zoo.factory",
    "t2k_package.deep:factory",
]

WRONG = [
    ("no_colon", "t2k_nets"),
    ("empty_module", ":factory"),
    ("python_file", "models/small.py"),
    ("checkpoint", "weights.pth"),
    ("no_file", "t2k_net.py:factory"),
    ("file_call", "t2k_nets.py:factory()"),
    ("file_no_attribute", "t2k_nets.py:Smal"),
    ("file_dashed", "t2k-dashed.py:factory"),
    ("call", "t2k_nets:factory()"),
    ("expression", "__import__('os').getcwd:factory"),
    ("no_module", "t2k_net:factory"),
    ("no_submodule", "t2k_package.dep:factory"),
    ("no_attribute", "t2k_nets:factor"),
    ("needs_arguments", "t2k_nets:sized"),
    ("number", "t2k_nets:number"),
    ("nothing", "t2k_nets:nothing"),
    ("broken", "t2k_nets:broken"),
    ("quits", "t2k_nets:quits"),
    ("missing_dependency", "t2k_wants:factory"),
    ("syntax_error", "t2k_typo:factory"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "t2k_nets.py").write_text(CODE)
    (tmp_path / "t2k_package").mkdir()
    (tmp_path / "t2k_package" / "__init__.py").write_text("")
    (tmp_path / "t2k_package" / "deep.py").write_text("from t2k_nets import factory\n")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "t2k_alone.py").write_text("from t2k_beside import Small\n")
    (tmp_path / "deep" / "er" / "t2k_beside.py").write_text(CODE)
    (tmp_path / "t2k-dashed.py").write_text(CODE)
    (tmp_path / "json.py").write_text(CODE)
    (tmp_path / "t2k_wants.py").write_text("import t2k_that_nobody_has\n")
    (tmp_path / "t2k_typo.py").write_text("def factory(:\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [n for n in sys.modules if n.startswith("t2k_")]:
        del sys.modules[name]


@pytest.mark.parametrize("source", GOOD)
def test_sources(source):
    assert type(load_source(source)).__name__ == "Small"


@pytest.mark.parametrize("file", FILES)
def test_files(file, folder):
    assert type(load_source(file)).__name__ == "Small"
    assert type(load_source(str(folder / file))).__name__ == "Small"


def test_a_file_that_is_called_like_another_module_is_refused():
    with pytest.raises(SourceError, match=r"another Python module is called 'json'"):
        load_source("json.py:factory")


def test_a_module_that_stands_there_is_not_called():
    assert load_source("t2k_nets:ready") is sys.modules["t2k_nets"].ready


@pytest.mark.parametrize(("name", "source"), WRONG, ids=[name for name, _ in WRONG])
def test_wrong_sources(name, source, folder):
    with pytest.raises(SourceError) as raised:
        load_source(source)
    assert_golden(f"cli_source_{name}", str(raised.value).replace(str(folder), "FOLDER"))


def test_text_is_never_evaluated(folder):
    with pytest.raises(SourceError):
        load_source("t2k_nets:open('made','w').close")
    assert not (folder / "made").exists()


def test_torchvision_without_weights():
    pytest.importorskip("torchvision")
    module = load_source("torchvision:shufflenet_v2_x0_5")
    assert isinstance(module, nn.Module)


def test_an_unknown_torchvision_name_gets_close_ones():
    pytest.importorskip("torchvision")
    with pytest.raises(SourceError, match=r"no model 'resnet19'(.|\n)*close +resnet1"):
        load_source("torchvision:resnet19")
