"""A file's fused LSTM keeps nothing from call to call, and its cells may grow."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch import nn

import torch2keras
from deployed import read_lite, save_forms
from torch2keras.deployment.fused_lstm import LSTM, reset_lstm_states

pytest.importorskip("ai_edge_litert")

STEPS = 80


def write_file(folder: Path) -> tuple[bytes, nn.Module]:
    """Return the converter's file of an LSTM whose cells grow beyond 10, and the LSTM."""
    torch.manual_seed(0)
    layer = nn.LSTM(2, 3, batch_first=True).eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.5)

    class Sequence(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x)[0]

    net = Sequence()
    converted = torch2keras.convert(net, (torch.ones(2, STEPS, 2),), verify=False)
    save_forms(converted, [(1, STEPS, 2)], folder)
    return tf.lite.TFLiteConverter.from_saved_model(str(folder)).convert(), net


def test_states_and_clip_of_the_file_are_mended() -> None:
    with TemporaryDirectory() as folder:
        content, net = write_file(Path(folder))
    x = torch.full((1, STEPS, 2), 2.0)
    x[:, STEPS // 2 :] = -0.5
    with torch.no_grad():
        expected = net(x).numpy()
        _, (_, c) = net.layer(x[:, : STEPS // 2])
    assert c.max() > 10
    run, operators = read_lite(content)
    assert operators[LSTM] == 1
    (first,) = run({"x": x.numpy()}).values()
    assert np.abs(first - expected).max() > 1e-4  # the converter's file clips
    for delegated in (False, True):
        mended, _ = read_lite(reset_lstm_states(content), delegated=delegated)
        for _ in range(3):
            (found,) = mended({"x": x.numpy()}).values()
            np.testing.assert_allclose(found, expected, atol=1e-5)
            mended({"x": -5 * x.numpy()})


def test_file_without_lstm_stays_as_it_is(tmp_path: Path) -> None:
    converted = torch2keras.convert(nn.Linear(2, 3), (torch.ones(2, 2),), verify=False)
    save_forms(converted, [(1, 2)], tmp_path)
    content = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path)).convert()
    assert reset_lstm_states(content) is content
