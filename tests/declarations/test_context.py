"""A converter asks its context for stored shapes, for what is read, and for einsum letters."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import torch2keras as t2k
from torch2keras.declarations.context import Context
from torch2keras.declarations.registry import registry

aten = torch.ops.aten


def test_letters_are_spelt_when_they_are_asked_for_and_once() -> None:
    asked = []
    context = Context(shapes=((2, 3),), used=(True,), spell=lambda: asked.append(1) or ("ab", "b"))
    assert not asked
    assert (context.letters, context.letters) == (("ab", "b"), ("ab", "b"))
    assert len(asked) == 1


class Products(torch.nn.Module):
    def forward(self, x, y):
        largest, _ = (x @ y).transpose(1, 2).max(2)
        return largest


# op, what is asked, the answer: 2 is the batch, 7 and 3 are the rows and the columns, 5 is summed
ASKED = [
    (aten.matmul.default, lambda c: [set(shape[1:]) for shape in c.shapes], [{3, 7}]),
    (aten.matmul.default, lambda c: [len(word) for word in c.letters], [3, 3, 3]),
    (aten.max.dim, lambda c: c.used, (True, False)),
]


@pytest.mark.parametrize(("op", "question", "answer"), ASKED)
def test_what_a_converter_is_told(op, question, answer, monkeypatch) -> None:
    seen: list[Context] = []
    lowering = registry.lowerings[op]

    def convert(*args, context, **names):
        seen.append(context)
        own = {"context": context} if lowering.asks_context else {}
        return lowering.convert(*args, **own, **names)

    monkeypatch.setitem(
        registry.lowerings, op, replace(lowering, convert=convert, asks_context=True)
    )
    t2k.convert(Products(), (torch.randn(2, 7, 5), torch.randn(2, 5, 3)))
    assert question(seen[0]) == answer
