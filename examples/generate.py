"""A GPT-2 decodes greedily in Keras: the same 64 tokens as in PyTorch, with and without a cache.

The model is small and has random weights, which makes every choice of a token a close one. It is
converted twice: whole texts in, the logits of every position out; and one token and the keys and
values of the tokens before it in, the logits and the longer cache out. Both decode the same prompts
with Keras alone.

    python examples/generate.py
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
STEPS = 64
PROMPTS = np.array([[464, 5, 318, 257, 11], [40, 761, 13, 198, 7]]) % 512


def make_small_gpt2() -> Any:
    """Return a model of four layers, its weights drawn wide enough that the text wanders."""
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=512,
        n_positions=96,
        n_embd=64,
        n_layer=4,
        n_head=4,
        bos_token_id=0,
        eos_token_id=None,
        initializer_range=0.3,
    )
    return transformers.GPT2LMHeadModel(config).eval()


def decode_in_torch(model: Any) -> np.ndarray:
    """Return what PyTorch's own greedy search gives."""
    import torch

    ids = torch.from_numpy(PROMPTS)
    found = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=STEPS,
        do_sample=False,
        pad_token_id=0,
    )
    return found.numpy()


def convert_decoder(model: Any) -> Any:
    """Convert the model as a function from texts of any length to logits."""
    import torch

    import torch2keras as t2k

    auto = torch.export.Dim.AUTO
    ids = torch.from_numpy(PROMPTS)
    return t2k.convert(
        model, {"input_ids": ids}, dynamic_shapes={"input_ids": {0: auto, 1: auto}}, name="gpt2"
    )


def convert_step_decoder(model: Any) -> Any:
    """One token and a cache of any length -> logits and the longer cache, in PyTorch's order."""
    import torch
    import transformers

    import torch2keras as t2k

    cache = transformers.DynamicCache()
    ids = torch.from_numpy(PROMPTS)
    with torch.no_grad():
        model(ids, past_key_values=cache, use_cache=True)
    auto = torch.export.Dim.AUTO
    call = {"input_ids": ids[:, :1], "past_key_values": cache, "use_cache": True}
    shapes = {
        "input_ids": {0: auto},
        "past_key_values": [[{0: auto, 2: auto}] * model.config.n_layer] * 2,
    }
    return t2k.convert(model, call, dynamic_shapes=shapes, layout="torch", name="gpt2_step")


def decode_whole_texts(keras_model: Any) -> np.ndarray:
    """Decode greedily, reading the whole text for each token."""
    text = PROMPTS
    for _ in range(STEPS):
        logits = np.asarray(keras_model(text))
        text = np.concatenate([text, logits[:, -1].argmax(-1)[:, None]], 1)
    return text


def decode_with_cache(keras_model: Any) -> np.ndarray:
    """Decode greedily one token a step, the prompt's too; the cache starts empty."""
    _, *caches = keras_model.inputs
    cache = [np.zeros((len(PROMPTS), c.shape[1], 0, c.shape[3]), "float32") for c in caches]
    text = PROMPTS[:, :1]
    for position in range(PROMPTS.shape[1] + STEPS - 1):
        logits, *cache = map(np.asarray, keras_model([text[:, -1:], *cache]))
        known = PROMPTS[:, position + 1 : position + 2]
        chosen = known if known.size else logits[:, -1].argmax(-1)[:, None]
        text = np.concatenate([text, chosen], 1)
    return text


def main() -> None:
    """Decode three times and compare."""
    model = make_small_gpt2()
    expected = decode_in_torch(model)
    print(
        f"PyTorch continues {PROMPTS[0].tolist()} with "
        f"{expected[0, PROMPTS.shape[1] :][:12].tolist()} ..."
    )
    equal = True
    for name, make, decode in (
        ("whole texts", convert_decoder, decode_whole_texts),
        ("with a cache", convert_step_decoder, decode_with_cache),
    ):
        start = time.perf_counter()
        converted = make(model)
        print(f"\n{name}: converted and verified in {time.perf_counter() - start:.1f} s")
        first = ", ".join(f"{port.name} {port.torch_shape}" for port in converted.inputs[:3])
        print(f"  {converted.model.name}: {first} ...")
        found = decode(converted.model)
        same = int((found == expected).all(0)[PROMPTS.shape[1] :].sum())
        print(f"  {same} of {STEPS} tokens are PyTorch's, in each of {len(PROMPTS)} texts")
        equal &= same == STEPS
    sys.exit(not equal)


if __name__ == "__main__":
    main()
