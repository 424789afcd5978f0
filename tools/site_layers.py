"""A page for each class of torch.nn: what `explain` says of it, or why it is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.modules.lazy import LazyModuleMixin

import torch2keras as t2k
from torch2keras.errors import list_names
from torch2keras.explanation.example_inputs import example_inputs
from torch2keras.explanation.explain import explain_text
from torch2keras.explanation.parse_layer import parse_layer
from torch_layers import LAYERS, REFUSED

OTHERS_REFUSED = ("nn.FractionalMaxPool3d(3, output_ratio=0.5)",)

MORE = "[All layers](index.md)"

MOST_CALLS = 4
"""The number of Keras calls that a verdict names."""

CONTAINERS = ("Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict")

GROUPS = {
    "conv": "Convolution",
    "pooling": "Pooling",
    "padding": "Padding",
    "batchnorm": "Normalisation",
    "instancenorm": "Normalisation",
    "normalization": "Normalisation",
    "activation": "Activations",
    "dropout": "Dropout",
    "linear": "Linear and embedding",
    "sparse": "Linear and embedding",
    "rnn": "Recurrent",
    "transformer": "Transformers",
    "upsampling": "Shapes",
    "pixelshuffle": "Shapes",
    "channelshuffle": "Shapes",
    "flatten": "Shapes",
    "fold": "Shapes",
    "distance": "Distances",
    "loss": "Losses",
    "adaptive": "Losses",
    "container": "Containers",
    "module": "Containers",
}
"""The heading of a file of torch.nn.modules."""

INDEX = """\
# Layers of torch.nn

What `t2k.explain` says of each class, on layers with odd options too; each of them is converted,
compared, and run as printed by the tests. For one of your own:
`torch2keras explain "nn.Conv1d(3, 16, 5)"`, or [in Python](../explain.md)."""
"""The head of the list of all classes."""


@dataclass
class LayerPage:
    """What there is to say of one class."""

    name: str
    group: str
    verdict: str
    """A phrase for the list of all classes."""
    parts: list[str] = field(default_factory=list)
    ops: list[str] = field(default_factory=list)
    """The ops that its layers are captured as."""

    def __str__(self) -> str:
        head = [f"# nn.{self.name}", f"{self.verdict[:1].upper()}{self.verdict[1:]}. {MORE}"]
        return "\n\n".join([*head, *self.parts]) + "\n"


def describe_layers(names: Iterable[str] = ()) -> list[LayerPage]:
    """Return a page for each class of torch.nn, or for those named; explains every layer anew."""
    return [describe_layer(name) for name in names or list_classes()]


def list_classes() -> list[str]:
    """Return the names of all classes of torch.nn that are modules."""
    names = []
    for name in sorted(torch.nn.modules.__all__):
        cls = getattr(nn, name)
        if issubclass(cls, nn.Module) and cls is not nn.Module:
            names.append(name)
    return names


def describe_layer(name: str) -> LayerPage:
    """Return the page of one class."""
    cls = getattr(nn, name)
    group = GROUPS[cls.__module__.rpartition(".")[2]]
    if issubclass(cls, LazyModuleMixin):
        become = cls.cls_to_become.__name__
        text = f"after its first call it is [nn.{become}](nn.{become}.md)"
        part = "Call the module once before it is converted, so that its parameters have sizes."
        return LayerPage(name, group, text, [part])
    page = LayerPage(name, group, "")
    for text in filter(_makes(name), LAYERS):
        _explain(page, text)
    for text in filter(_makes(name), (*REFUSED, *OTHERS_REFUSED)):
        _show_refusal(page, text)
    if group == "Losses":
        _show_training_loss(page)
    if not page.verdict:
        page.verdict = _describe_rest(name)
    return page


def _makes(name: str) -> Callable[[str], bool]:
    return lambda text: text.startswith(f"nn.{name}(")


def _explain(page: LayerPage, text: str) -> None:
    """Add what explain says of one layer."""
    explanation = explain_text(text)
    layer = parse_layer(text)
    inspection = t2k.inspect(layer.eval(), example_inputs(layer))
    calls: list[str] = []
    for row in inspection.ops:
        calls += row.keras
        if row.op not in page.ops:
            page.ops.append(row.op)
    if not page.verdict:
        named = list_names([f"`{call}`" for call in dict.fromkeys(calls)], most=MOST_CALLS)
        page.verdict = f"becomes {named or 'nothing at all'}"
    page.parts += [f"## {text.removeprefix('nn.')}", _fence(str(explanation), "python")]


def _show_refusal(page: LayerPage, text: str) -> None:
    """Add why a layer is refused. Raises AssertionError where it is not."""
    try:
        explain_text(text)
    except t2k.Torch2KerasError as error:
        message = f"{type(error).__name__}: {error.message}"
    else:
        message = f"{text} is not refused"
        raise AssertionError(message)
    if not page.verdict:
        page.verdict = "is refused"
    heading = f"## {text.removeprefix('nn.')} is refused"
    page.parts += [heading, _fence(message, "text")]


def _show_training_loss(page: LayerPage) -> None:
    """Add what `t2k.loss` makes of a criterion; one that needs arguments is left out."""
    with warnings.catch_warnings(action="ignore"):  # a name that PyTorch gives up
        try:
            criterion = getattr(nn, page.name)()
        except TypeError:
            return
    page.parts.append("## To train with")
    try:
        made = t2k.loss(criterion)
    except t2k.InputError as error:
        page.parts.append(_fence(f"InputError: {error.message}", "text"))
        return
    origin = "keras.losses" if type(made).__module__.startswith("keras") else "torch2keras"
    page.parts.append(
        f"`t2k.loss(nn.{page.name}())` gives `{origin}.{type(made).__name__}` "
        "([losses](../training.md#losses))."
    )


def _describe_rest(name: str) -> str:
    if name in CONTAINERS:
        return "holds others, and is no layer itself: each of those is converted"
    if name.endswith("Loss") or name == "NLLLoss2d":
        return "is a criterion that is not explained as a layer"
    return "is a base of other classes, and has no layers of its own"


def list_pages(pages: list[LayerPage]) -> str:
    """Return the page that lists all classes, by group."""
    lines = [INDEX]
    for group in dict.fromkeys(GROUPS.values()):
        members = [page for page in pages if page.group == group]
        if members:
            lines += ["", f"## {group}", "", "| class | |", "|---|---|"]
        for page in members:
            lines.append(f"| [nn.{page.name}](nn.{page.name}.md) | {page.verdict} |")
    return "\n".join(lines) + "\n"


def name_layers_of_ops(pages: list[LayerPage]) -> dict[str, list[str]]:
    """Return the classes that each op comes from, by the op's name."""
    classes: dict[str, list[str]] = {}
    for page in pages:
        for op in page.ops:
            classes.setdefault(op, []).append(page.name)
    return classes


def _fence(text: str, language: str) -> str:
    return f"```{language}\n{text.rstrip()}\n```"
