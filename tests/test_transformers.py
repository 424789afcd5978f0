"""Models of transformers convert as their users call them.

Batch and length are dynamic, and they are verified at two lengths.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import keras
import pytest
import torch
import transformers

import torch2keras as t2k
from tiny_transformers import TINY, text

ALWAYS = ("bert", "gpt2", "t5", "deberta-v2")
"""Words one way, one after the other, two stacks, relative positions; the others are slow tests."""
MOVED = {"gpt-neo": 2, "bloom": 2, "t5": 2, "deberta-v2": 6, "swin": 20, "blip": 14}
"""How many transposes are left, of those that have any."""


@pytest.mark.parametrize(
    "name",
    [name if name in ALWAYS else pytest.param(name, marks=pytest.mark.slow) for name in TINY],
)
def test_architecture(name: str) -> None:
    tiny = TINY[name]()
    converted = t2k.convert(tiny.module, tiny.inputs, dynamic_shapes=tiny.dynamic_shapes)
    assert converted.verification is not None
    assert converted.verification.ok
    assert len(converted.report.transposes) <= MOVED.get(name, 0)
    assert all(type(layer).__module__.startswith("keras.src.") for layer in converted.model.layers)


def test_a_cache_goes_in_and_out() -> None:
    tiny = text("GPT2LMHeadModel", "GPT2", n_positions=80, n_embd=32, n_layer=2, n_head=4)
    past = transformers.DynamicCache()
    words = {"input_ids": tiny.inputs["input_ids"]}
    with torch.no_grad():
        tiny.module(**words, past_key_values=past, use_cache=True)
    dims = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO}
    tokens = {
        "input_ids": tiny.inputs["input_ids"][:, :1],
        "past_key_values": past,
        "use_cache": True,
    }
    shapes = {"input_ids": {0: torch.export.Dim.AUTO}, "past_key_values": [[dims] * 2] * 2}
    converted = t2k.convert(tiny.module, tokens, dynamic_shapes=shapes)
    assert len(converted.inputs) == 5
    assert len(converted.outputs) == 5
    assert converted.outputs[-1].torch_shape[2] is None
    assert keras.Model.from_config(converted.model.get_config())


def test_the_caches_of_two_stacks() -> None:
    tiny = TINY["t5"]()
    with torch.no_grad():
        read = tiny.module(**tiny.inputs, use_cache=True)
    auto = torch.export.Dim.AUTO
    step = {
        "decoder_input_ids": tiny.inputs["decoder_input_ids"][:, :1],
        "encoder_outputs": (read.encoder_last_hidden_state,),
        "past_key_values": read.past_key_values,
        "attention_mask": tiny.inputs["attention_mask"],
        "use_cache": True,
    }
    shapes = {
        "decoder_input_ids": {0: auto},
        "encoder_outputs": ({0: auto, 1: auto},),
        "past_key_values": [[[{0: auto, 2: auto}] * 2] * 2] * 2,
        "attention_mask": {0: auto, 1: auto},
    }
    converted = t2k.convert(tiny.module, step, dynamic_shapes=shapes)
    assert [p.name for p in converted.inputs][2:4] == [
        f"past_key_values_self_attention_cache_key_cache_{layer}" for layer in range(2)
    ]
    assert len(converted.outputs) == 10


@pytest.mark.slow
def test_greedy_decoding_gives_pytorchs_tokens() -> None:
    example = Path(__file__).parent.parent / "examples" / "generate.py"
    ran = subprocess.run(
        [sys.executable, str(example)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("64 of 64 tokens are PyTorch's") == 2
