"""What the machine allows a net at best: its products and its bytes by measured peaks.

The products are those of PyTorch's ops, counted by torch.utils.flop_counter; the bytes those of the
inputs, the weights and the outputs, once each. No program is faster than the larger of the two
times, and no call faster than one of a graph that returns its input.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils.flop_counter
from torch import nn

SIDE = 1024
"""The side of the square matrices whose product tells the peak."""
COPIED = 1 << 27
"""The bytes of the copy that tells the bandwidth: more than any cache holds."""


@dataclass(frozen=True)
class Machine:
    """What one thread of TensorFlow reaches here, in a second."""

    flops: float
    bytes: float
    call: float
    """Seconds of a call of a graph that returns its input."""


@dataclass(frozen=True)
class Work:
    """What a net has to do."""

    flops: float
    bytes: float

    def limit(self, machine: Machine) -> float:
        """Return the seconds that it takes at least."""
        return max(self.flops / machine.flops, self.bytes / machine.bytes, machine.call)


def measure_machine(seconds: float) -> Machine:
    """Measure the peaks, by what TensorFlow itself multiplies and copies."""
    import tensorflow as tf

    square = tf.random.normal((SIDE, SIDE))
    row = tf.zeros(COPIED // 4)
    multiply = tf.function(lambda x: tf.matmul(x, x))
    add = tf.function(lambda x: x + 1.0)
    empty = tf.function(lambda x: x)
    small = tf.zeros((2, 16))
    multiplied = find_shortest(lambda: multiply(square), seconds)
    copied = find_shortest(lambda: add(row), seconds)
    call = find_shortest(lambda: empty(small), seconds)
    return Machine(2 * SIDE**3 / multiplied, 2 * COPIED / copied, call)


def find_shortest(call: Callable[[], Any], seconds: float) -> float:
    """Return the seconds of the fastest call; what else the machine does takes nothing from it."""
    call()
    shortest = float("inf")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        call()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def count_work(module: nn.Module, example: torch.Tensor) -> Work:
    """Count what a call of the module has to do."""
    count = torch.utils.flop_counter.FlopCounterMode(display=False)
    # Without oneDNN, and with gradients, a layer of recurrence or attention is its products.
    with torch.backends.mkldnn.flags(enabled=False), count as counter:
        results = module(example)
    tensors = [example, *module.parameters(), *module.buffers(), *_tensors(results)]
    return Work(float(counter.get_total_flops()), float(sum(x.nbytes for x in tensors)))


def _tensors(results: Any) -> Iterator[torch.Tensor]:
    leaves = results if isinstance(results, list | tuple) else [results]
    yield from (leaf for leaf in leaves if isinstance(leaf, torch.Tensor))
