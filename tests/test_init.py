"""The public face: every name is there, and importing the package imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import torch2keras as t2k

ROOT = Path(__file__).parent.parent
USERS_SIDE = ("examples", "benchmarks")


@pytest.mark.parametrize("name", t2k.__all__)
def test_each_public_name_is_there_and_documented(name):
    assert getattr(t2k, name).__doc__


def test_what_the_results_are_is_public():
    assert {
        "Converted",
        "Port",
        "Report",
        "Verification",
        "Explanation",
        "Inspection",
        "Step",
    } <= set(t2k.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'conver'"):
        t2k.conver  # noqa: B018


def test_the_package_alone_imports_no_framework():
    code = "import sys, torch2keras; print({'torch', 'keras', 'tensorflow'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


def test_torchvision_can_be_imported_after_a_name_that_imports_keras():
    """Where PyTorch comes in after this package, Triton is settled by the first name."""
    code = "import torch2keras, torch; torch2keras.Converted; import torchvision"
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)


def test_users_code_needs_no_deep_import():
    """Examples and benchmarks are what users copy: they import the public face alone."""
    for folder in USERS_SIDE:
        for file in sorted((ROOT / folder).glob("*.py")):
            text = file.read_text()
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                    "torch2keras"
                ):
                    assert node.module in ("torch2keras", "torch2keras.extend"), file
            assert ".conversion" not in text, file
