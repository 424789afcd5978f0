"""A conversion prints nothing on stderr; what is dropped is still printed without us."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from torch2keras.workarounds.tensorflow_messages import (
    RETRACING,
    drop_retracing_warnings,
    drop_start_up_lines,
)

CONVERSION = """
import torch
import torch2keras as t2k
x = torch.randn(2, 4, 40)
net = torch.nn.Sequential(*(torch.nn.Conv1d(4, 4, 3, groups=2, dilation=d) for d in range(1, 6)))
t2k.convert(net.eval(), (x,))
"""


KERAS = """
import keras
import numpy as np
x = np.ones((1, 20, 4), "float32")
for dilation in range(1, 9):
    keras.layers.Conv1D(4, 2, groups=2, dilation_rate=dilation)(x)
"""


def run(code: str, **settings: str) -> str:
    environment = {**os.environ, **settings}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    made = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return made.stderr


def test_a_conversion_in_a_fresh_process_prints_nothing() -> None:
    assert run(CONVERSION) == ""


def test_tensorflow_itself_prints_when_it_starts() -> None:
    assert "oneDNN" in run("import tensorflow")


def test_lines_of_others_and_all_lines_before_an_error_are_printed(
    capfd: pytest.CaptureFixture[str],
) -> None:
    theirs = (
        b"I0000 00:00:1795886625.887917   19626 port.cc:153] oneDNN custom operations are on.\n"
    )
    with drop_start_up_lines():
        os.write(2, theirs)
        os.write(2, b"a line of the user's\n")
    assert capfd.readouterr().err == "a line of the user's\n"
    with pytest.raises(ImportError), drop_start_up_lines():
        os.write(2, theirs)
        raise ImportError
    assert capfd.readouterr().err == theirs.decode()


def test_keras_makes_tensorflow_warn_of_retracing() -> None:
    assert "retracing" in run(KERAS)


class Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def test_other_warnings_of_tensorflow_are_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    logger, messages = logging.getLogger("tensorflow"), Messages()
    monkeypatch.setattr(logger, "level", logging.WARNING)
    logger.manager._clear_cache()
    logger.addHandler(messages)
    told = f"5 out of the last 5 calls to f {RETRACING}. Tracing is expensive"
    try:
        with drop_retracing_warnings():
            with drop_retracing_warnings():
                pass
            logger.warning(told)
            logger.warning("another warning")
        assert messages.texts == ["another warning"]
        logger.warning(told)
        assert messages.texts[1:] == [told]
    finally:
        logger.removeHandler(messages)
