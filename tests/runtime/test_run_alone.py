"""Threads: one call of the package at a time, and nothing left behind in the process."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import multiprocessing
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.modules import transformer

import torch2keras as t2k
from torch2keras.capture.branch_free import DETECT
from torch2keras.capture.value_reads import METHODS
from torch2keras.runtime.isolation import silence_output
from torch2keras.runtime.run_alone import SilentHere, only_here, patch_here, run_alone


class Reads(nn.Module):
    """Reads a number of its own, prints, and has a custom function: all that is patched."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lin = nn.Linear(width, width)
        self.register_buffer("fitted", torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        sys.stdout.write("forward")
        if self.fitted > 0:
            x = Twice.apply(x)
        return self.lin(x)


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return -g


def process_state() -> dict[str, Any]:
    """What a conversion changes of the process while it runs."""
    patched = {name: getattr(torch.Tensor, name) for name in (*METHODS, "register_hook")}
    return {
        **patched,
        "stdout": sys.stdout,
        "stderr": sys.stderr,
        "disabled": logging.root.manager.disable,
        "logger": logging.Logger.isEnabledFor,
        "warnings": list(warnings.filters),
        "dtype": torch.get_default_dtype(),
        "floatx": keras.config.floatx(),
        "gradients": torch.is_grad_enabled(),
        "enter": torch.no_grad.__enter__,
        "exit": torch.no_grad.__exit__,
        "detect": getattr(transformer, DETECT),
        "forward": Twice.forward,
        "rng": torch.get_rng_state().tolist(),
        "python": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # noqa: NPY002 - the global one is kept
        "einsum": torch.backends.opt_einsum.enabled,
        "attention": torch.backends.mha.get_fastpath_enabled(),
    }


Job = Callable[[], float]


def convert_and_compare(width: int) -> Job:
    """Return what tells how far a model is from its module."""
    module = Reads(width).eval()
    x = torch.linspace(-1, 1, 3 * width).reshape(3, width)

    def run() -> float:
        converted = t2k.convert(module, (x,))
        assert converted.verification is not None
        return float(np.abs(converted(x) - module(x).detach().numpy()).max())

    return run


def explain_once(width: int) -> Job:
    layer = nn.Conv1d(3, width, 5)
    return lambda: t2k.explain(layer).difference


def inspect_once(width: int) -> Job:
    layer = nn.Linear(7, width)
    return lambda: 0.0 if t2k.inspect(layer, (torch.ones(2, 7),)).ok else 1.0


def reload_once(width: int) -> Job:
    """Return what tells how far weights are from those that were loaded."""
    module = nn.Linear(7, width)
    state = {name: torch.full_like(value, 3.0) for name, value in module.state_dict().items()}

    def run() -> float:
        converted = t2k.convert(module, (torch.ones(2, 7),), verify=False)
        converted.load_state_dict(state)
        converted.verify()
        return float((converted.state_dict()["weight"] - 3).abs().max())

    return run


KINDS = (convert_and_compare, explain_once, inspect_once, reload_once)


def make_jobs(*widths: int) -> list[Job]:
    """Return jobs of all kinds; their modules are made, and all is imported that they need."""
    jobs = [kind(width) for width in widths for kind in KINDS]
    jobs[0]()
    return jobs


def test_four_threads_are_right_and_leave_nothing() -> None:
    jobs = make_jobs(5, 7, 11, 13)
    before = process_state()
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(job) for job in jobs]
        errors = [job.result(timeout=600) for job in running]
    assert max(errors) < 1e-5
    assert process_state() == before


def test_asyncio_is_right_and_leaves_nothing() -> None:
    jobs = make_jobs(17)
    before = process_state()

    async def gather() -> tuple[list[float], int]:
        count = asyncio.create_task(_count_ticks(done := asyncio.Event()))
        errors = await asyncio.gather(*map(asyncio.to_thread, jobs))
        done.set()
        return errors, await count

    errors, ticks = asyncio.run(gather())
    assert max(errors) < 1e-5
    assert ticks > 10  # the loop goes on meanwhile
    assert process_state() == before


async def _count_ticks(done: asyncio.Event) -> int:
    ticks = 0
    while not done.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.01)
        ticks += 1
    return ticks


def test_other_threads_print_log_and_read_meanwhile(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def speak() -> bool:
        sys.stdout.write("said")
        logging.getLogger("other").warning("logged")
        return bool(torch.ones(())) and not torch.no_grad().prev

    with (
        silence_output(),
        patch_here(torch.Tensor, "__bool__", lambda _: False),
        ThreadPoolExecutor(1) as pool,
    ):
        sys.stdout.write("silent")
        logging.getLogger("other").warning("silent")
        assert not torch.ones(())
        assert pool.submit(speak).result()
    assert torch.ones(())
    assert capsys.readouterr().out == "said"
    assert [record.getMessage() for record in caplog.records] == ["logged"]


def test_one_at_a_time_and_within_itself() -> None:
    inside, most = 0, 0

    @run_alone
    def enter(depth: int) -> None:
        nonlocal inside, most
        if depth:
            enter(depth - 1)
            return
        inside += 1
        most = max(most, inside)
        threading.Event().wait(0.01)
        inside -= 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, [2] * 16))
    assert most == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_the_child_of_a_fork_does_not_wait_for_a_thread_that_it_has_not() -> None:
    entered, leave = threading.Event(), threading.Event()

    @run_alone
    def hold() -> None:
        entered.set()
        leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait()
    child = multiprocessing.get_context("fork").Process(target=run_alone(lambda: None))
    child.start()
    child.join(20)
    leave.set()
    thread.join()
    assert child.exitcode == 0


def test_a_stream_for_others() -> None:
    held = io.StringIO()
    stream = SilentHere(held)
    assert stream.write("no") == 2
    stream.writelines(["no"])
    thread = threading.Thread(target=stream.writelines, args=(["yes"],))
    thread.start()
    thread.join()
    assert held.getvalue() == stream.getvalue() == "yes"
    assert SilentHere(None).write("no") == 2


def test_only_here() -> None:
    function: Callable[[], str] = only_here(lambda: "here", lambda: "there")
    with ThreadPoolExecutor(1) as pool:
        assert (function(), pool.submit(function).result()) == ("here", "there")


PATCHED: Mapping[str, Any] = {"method": torch.Tensor, "function": transformer}


@pytest.mark.parametrize("kind", PATCHED)
def test_patches_are_put_back_after_an_error(kind: str) -> None:
    owner = PATCHED[kind]
    name = {"method": "__bool__", "function": DETECT}[kind]
    before, own = name in vars(owner), getattr(owner, name)
    with pytest.raises(KeyError), patch_here(owner, name, lambda *_: None):
        raise KeyError
    assert (name in vars(owner), getattr(owner, name)) == (before, own)
