"""Scripts in processes of their own."""

from __future__ import annotations

import numpy as np
import pytest

import torch2keras as t2k
from torch2keras.deployment import processes
from torch2keras.deployment.processes import read_arrays, run_child, write_arrays

SCRIPT = """
import json, os, pathlib, sys
folder = pathlib.Path(sys.argv[1])
assert sys.path[0] != str(pathlib.Path(__file__).parent)
request = json.loads((folder / "request.json").read_text())
print("a word before", file=sys.stderr)
exec(request["code"])
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "child.py").write_text(SCRIPT)
    monkeypatch.setattr(processes, "CHILDREN", tmp_path)
    return lambda code: run_child("child.py", tmp_path, {"code": code})


def test_a_script_finds_its_request(run, tmp_path):
    run("(folder / 'done').write_text('yes')")
    assert (tmp_path / "done").read_text() == "yes"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("os.abort()", "died of SIGABRT"),
        ("sys.exit(3)", "died of exit code 3"),
        ("(folder / 'error.json').write_text(json.dumps('it is wrong'))", "it is wrong"),
    ],
)
def test_what_a_script_dies_of_is_an_error(run, code, said):
    with pytest.raises(t2k.DeploymentError, match=said) as caught:
        run(code)
    if "died" in said:
        assert "a word before" in dict(caught.value.rows)["stderr"]


def test_arrays_come_back_in_their_order(tmp_path):
    given = [np.arange(n) for n in range(12)]
    write_arrays(tmp_path / "a.npz", given)
    for ours, theirs in zip(read_arrays(tmp_path / "a.npz", ""), given, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.savez(tmp_path / "b.npz", index_0=given[1], index_1=given[2], again_0=given[3])
    assert [len(a) for a in read_arrays(tmp_path / "b.npz", "index_")] == [1, 2]
