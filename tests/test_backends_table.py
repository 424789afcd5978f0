"""The table of backends: how answers become cells, and what a child process says."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import backend_checks
import backends_table
from backends_table import Answer


def test_cells_count_the_nets() -> None:
    answers = [
        Answer("jax", "a", "`fit`", went=True, told=""),
        Answer("jax", "b", "`fit`", went=False, told="ValueError: no"),
        Answer("torch", "a", "`fit`", went=True, told=""),
        Answer("jax", "a", "`plot_model`", went=None, told="pydot is not installed"),
    ]
    assert backends_table.make_table(answers).splitlines() == [
        "| | JAX | PyTorch |",
        "|---|---|---|",
        "| `fit` | 1 of 2 | 1 of 1 |",
        "| `plot_model` | pydot is not installed | - |",
        "",
        "- `fit`, b, JAX: ValueError: no",
    ]


@pytest.fixture
def net(tmp_path: Path) -> backend_checks.Net:
    """The files of a dense net whose output is right."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((5, 3))
    y = keras.layers.Dense(8, name="first")(inputs)
    model = keras.Model(inputs, keras.layers.Dense(2, name="second")(y))
    x = np.random.default_rng(0).standard_normal((8, 5, 3)).astype("float32")
    exact = backend_checks.to_numpy(model(x)).astype("float64")
    for name in ("net.keras", "net.mixed.keras"):
        model.save(tmp_path / name)
    np.savez(tmp_path / "net.npz", x=x, exact=exact, bound=1e-5)
    return backend_checks.Net(tmp_path, "net")


@pytest.mark.parametrize("what", backend_checks.CHECKS)
def test_what_goes_on_this_backend(what: str, net: backend_checks.Net) -> None:
    needs_more = ("`plot_model`", "`DataParallel`, 8 devices", "`ModelParallel`, 2 x 4 devices")
    try:
        backend_checks.CHECKS[what](net)
    except backend_checks.NotTriedError as error:
        if what in needs_more:
            pytest.skip(str(error))
        raise


@pytest.mark.parametrize("what", ["outputs equal (tier N)", "`predict`", "`clone_model`"])
def test_wrong_outputs_are_found(what: str, net: backend_checks.Net) -> None:
    net.exact = net.exact + 1
    with pytest.raises(AssertionError, match="of the largest number off"):
        backend_checks.CHECKS[what](net)


def test_a_child_tells_each_thing(
    net: backend_checks.Net, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> str:
        raise ValueError("no\nmore")

    monkeypatch.setattr(backend_checks, "CHECKS", {"a": lambda _: "told", "b": fail})
    backend_checks.main(str(net.file.parent), "net")
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said[0] == {"what": "a", "went": True, "told": "told"}
    assert said[1] == {"what": "b", "went": False, "told": "ValueError: no"}
