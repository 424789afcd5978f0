"""What is known of a model beside its calls, for the comments of its code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch2keras.keras_graph.source.remarks.class_source import ClassSource
from torch2keras.keras_graph.source.wrapping import fill_lines
from torch2keras.keras_graph.weight import Shape


@dataclass(frozen=True)
class Remarks:
    """What the code of a model may say of it; whatever is unknown is not said."""

    shapes: Mapping[int, Shape] = field(default_factory=dict)
    """The stored shape of a value by its number, with the batch; None for a dynamic size."""
    class_paths: Mapping[str, str] = field(default_factory=dict)
    """The class of each of the user's modules by path, as "torchvision.models.resnet.ResNet"."""
    limits: Sequence[str] = ()
    """What sizes of the inputs have to keep to, as `x.shape[2] <= 512`."""
    sources: Mapping[str, ClassSource] = field(default_factory=dict)
    """The source of each module's class by path, where that is to stand beside the code."""

    def describe(self, paths: Sequence[str]) -> str:
        """Return the classes of modules as a sentence, or "" where they are not known."""
        names = [self.class_paths[path] for path in paths if path in self.class_paths]
        text = ", ".join(dict.fromkeys(map(plain_text, names)))
        return f"{text}." if text else ""

    def find_sources(self, paths: Iterable[str]) -> list[ClassSource]:
        """Return the sources of modules' classes, each class once."""
        found = [self.sources[path] for path in paths if path in self.sources]
        return list({source.name: source for source in found}.values())

    def limit_lines(self) -> list[str]:
        """Return the limits of sizes as lines of comments within a function."""
        if not self.limits:
            return []
        shown = [re.sub(r"[^ -~]", "_", limit) for limit in self.limits]
        return fill_lines("    # ", [f"sizes, in PyTorch's order: {shown[0]}", *shown[1:]])


UNKNOWN = Remarks()


def plain_text(text: str) -> str:
    """Return a text of the user's without what could end a comment or a docstring."""
    return re.sub(r"[^A-Za-z0-9_.+ -]", "_", text)


def shape_text(shape: Shape) -> str:
    """Return a shape as people write it: `(n, 56, 56, 64)`, n for a batch of any size."""
    sizes = ["n" if place == 0 and size is None else str(size) for place, size in enumerate(shape)]
    return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"
