"""How long the code of converted nets is, beside keras.applications and the PyTorch classes.

    python benchmarks/source_code.py [NAME ...]     # prints the table
    python benchmarks/source_code.py --page         # writes it and three nets into docs/source.md

Lines are those that are not blank, at most 100 columns wide; of what others wrote without
docstrings and comments. `time` is the part of a verified conversion that writing and checking the
code takes.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import os
import re
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import torch
from nets import NETS, UNet
from torch import nn

import torch2keras as t2k

PAGE = Path(__file__).parent.parent / "docs" / "source.md"
BEGIN, END = "<!-- source code -->", "<!-- end of source code -->"
SHOWN = ("ResNet50", "TCN", "BERT")


@dataclass(frozen=True)
class Entry:
    """A net, and what others wrote for it."""

    make: Callable[[], tuple[nn.Module, tuple[torch.Tensor, ...]]]
    keras_parts: Sequence[str] = ()
    """Functions of keras.applications, as "resnet.ResNet"."""
    torch_parts: Callable[[], Sequence[Any]] = tuple
    """The PyTorch classes that hold the architecture."""


def image_net(name: str, size: int = 224) -> Callable[[], tuple[nn.Module, Any]]:
    """Return what makes a net of torchvision with an image."""

    def make() -> tuple[nn.Module, Any]:
        from torchvision import models

        return models.get_model(name, weights=None), (torch.randn(2, 3, size, size),)

    return make


def text_net(model: str, config: str, **options: Any) -> Callable[[], tuple[nn.Module, Any]]:
    """Return what makes a net of transformers with a text."""

    def make() -> tuple[nn.Module, Any]:
        import transformers

        net = getattr(transformers, model)(getattr(transformers, config)(**options))
        return net, (torch.randint(0, 1000, (2, 16)),)

    return make


def speech_net() -> tuple[nn.Module, Any]:
    """Make a small wav2vec2."""
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=96, num_hidden_layers=4, num_attention_heads=4, intermediate_size=192
    )
    return transformers.Wav2Vec2Model(config), (torch.randn(2, 8000),)


class Tagger(nn.Module):
    """Two bidirectional LSTM layers between an embedding and a classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(1000, 64)
        self.lstm = nn.LSTM(64, 50, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.out = nn.Linear(100, 17)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        """Return a score for each word and tag."""
        return self.out(self.lstm(self.embedding(words))[0])


def tcn() -> tuple[nn.Module, Any]:
    """Make the net of the speed benchmark."""
    net = NETS["TCN 8 x 64, L 4000"]
    return net.module(), (torch.randn(net.shape),)


def torchvision_classes(*names: str) -> Callable[[], Sequence[Any]]:
    """Return what finds classes by "module.Class" within torchvision."""

    def find() -> Sequence[Any]:
        import importlib

        found = []
        for name in names:
            module, _, cls = name.rpartition(".")
            found.append(getattr(importlib.import_module(f"torchvision.{module}"), cls))
        return found

    return find


SIZES = {"num_hidden_layers": 4, "num_attention_heads": 4, "vocab_size": 1000}
BERT = {**SIZES, "hidden_size": 96, "intermediate_size": 192}
GPT2 = {"n_embd": 96, "n_layer": 4, "n_head": 4, "vocab_size": 1000, "use_cache": False}

ENTRIES = {
    "ResNet50": Entry(
        image_net("resnet50"),
        ["resnet.ResNet", "resnet.residual_block_v1", "resnet.stack_residual_blocks_v1"],
        torchvision_classes("models.resnet.Bottleneck", "models.resnet.ResNet"),
    ),
    "MobileNetV3-small": Entry(
        image_net("mobilenet_v3_small"),
        [f"mobilenet_v3.{n}" for n in ("MobileNetV3", "_inverted_res_block", "_se_block")],
        torchvision_classes(
            "models.mobilenetv3.InvertedResidualConfig",
            "models.mobilenetv3.InvertedResidual",
            "models.mobilenetv3.MobileNetV3",
            "ops.misc.SqueezeExcitation",
        ),
    ),
    "EfficientNet-B0": Entry(
        image_net("efficientnet_b0"),
        ["efficientnet.EfficientNet", "efficientnet.block"],
        torchvision_classes(
            "models.efficientnet.MBConvConfig",
            "models.efficientnet.MBConv",
            "models.efficientnet.EfficientNet",
            "ops.misc.SqueezeExcitation",
        ),
    ),
    "DenseNet121": Entry(
        image_net("densenet121"),
        [f"densenet.{n}" for n in ("DenseNet", "conv_block", "dense_block", "transition_block")],
        torchvision_classes(
            "models.densenet._DenseLayer",
            "models.densenet._DenseBlock",
            "models.densenet._Transition",
            "models.densenet.DenseNet",
        ),
    ),
    "ConvNeXt-tiny": Entry(
        image_net("convnext_tiny"),
        [f"convnext.{n}" for n in ("ConvNeXt", "ConvNeXtBlock", "PreStem", "Head")],
        torchvision_classes("models.convnext.CNBlock", "models.convnext.ConvNeXt"),
    ),
    "ViT-B/16": Entry(
        image_net("vit_b_16"),
        (),
        torchvision_classes(
            "models.vision_transformer.MLPBlock",
            "models.vision_transformer.EncoderBlock",
            "models.vision_transformer.Encoder",
            "models.vision_transformer.VisionTransformer",
        ),
    ),
    "Swin-tiny": Entry(image_net("swin_t")),
    "BERT": Entry(text_net("BertModel", "BertConfig", **BERT)),
    "GPT-2": Entry(text_net("GPT2LMHeadModel", "GPT2Config", **GPT2)),
    "wav2vec2": Entry(speech_net),
    "TCN": Entry(tcn),
    "1-D U-Net": Entry(lambda: (UNet(), (torch.randn(2, 2, 256),))),
    "BiLSTM tagger": Entry(lambda: (Tagger(), (torch.randint(0, 1000, (2, 16)),))),
}


@dataclass(frozen=True)
class Row:
    """What was measured of one net."""

    name: str
    calls: int
    lines: int
    keras: int | None
    torch: int | None
    share: float
    text: str


def measure(name: str) -> Row:
    """Convert one net, and count."""
    entry = ENTRIES[name]
    torch.manual_seed(0)
    net, args = entry.make()
    start = time.perf_counter()
    converted = t2k.convert(net.eval(), args, verify=False)
    converted.verify()
    verified = time.perf_counter()
    text = converted.source()
    end = time.perf_counter()
    keras_lines = [count_lines(find_keras(part)) for part in entry.keras_parts]
    torch_lines = [count_lines(part) for part in entry.torch_parts()]
    return Row(
        name,
        sum(1 for _ in converted.keras_steps(*args)),
        len([line for line in text.splitlines() if line.strip()]),
        sum(keras_lines) or None,
        sum(torch_lines) or None,
        (end - verified) / (end - start),
        text,
    )


def find_keras(part: str) -> Any:
    """Return a function of keras.applications, not of its public face, which has no source."""
    module, _, name = part.partition(".")
    return getattr(getattr(keras.src.applications, module), name)


def count_lines(thing: Any) -> int:
    """Return the lines of a function or class without blank ones, docstrings and comments."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:] or [ast.Pass()]
    numbers: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            inside = [item for item in ast.walk(node.args) if isinstance(item, ast.expr | ast.arg)]
            ends = [item.end_lineno or item.lineno for item in inside]
            numbers.update(range(node.lineno, max([node.lineno, *ends]) + 1))
        elif isinstance(node, ast.ClassDef):
            numbers.add(node.lineno)
        elif isinstance(node, ast.stmt):
            numbers.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(numbers)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    yield "| net | calls in the graph | lines | keras.applications | PyTorch class | time |"
    yield "|---|--:|--:|--:|--:|--:|"
    for row in rows:
        others = ["-" if n is None else str(n) for n in (row.keras, row.torch)]
        cells = [row.name, str(row.calls), str(row.lines), *others, f"{100 * row.share:.0f} %"]
        yield f"| {' | '.join(cells)} |"


def write_page(rows: Sequence[Row]) -> None:
    """Write the table and the code of three nets between the marks of docs/source.md."""
    parts = ["\n".join(table(rows))]
    shown = [row for row in rows if row.name in SHOWN]
    parts += [f"## {row.name}\n\n```python\n{row.text}```" for row in shown]
    inside = "\n\n".join(parts)
    page = PAGE.read_text(encoding="utf-8")
    pattern = f"(?s){re.escape(BEGIN)}.*{re.escape(END)}"
    page = re.sub(pattern, lambda _: f"{BEGIN}\n{inside}\n{END}", page)
    PAGE.write_text(page, encoding="utf-8")


def main() -> None:
    """Measure the nets that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[[], *ENTRIES], default=[])
    parser.add_argument("--page", action="store_true")
    given = parser.parse_args()
    rows = []
    for name in given.names or ENTRIES:
        rows.append(measure(name))
        print(name, rows[-1].lines, flush=True)
    print("\n".join(table(rows)))
    if given.page:
        write_page(rows)


if __name__ == "__main__":
    main()
