"""What every test stands on: Keras on TensorFlow, the CPU, no network, reproducible examples."""

from __future__ import annotations

import os

# Read once, when the frameworks are first imported, so they are set before any test file is.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

from network import refuse_network
from torch2keras.workarounds.triton_import import settle_triton

# Whatever asks another machine for something fails its test.
sys.addaudithook(refuse_network)

# Any test file may be the first to import TensorFlow, and PyTorch's samples import Triton.
settle_triton()

# No test may depend on time, and CI must judge the same examples each time.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Run small nets on one thread: on a busy machine threads mostly wait for one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
