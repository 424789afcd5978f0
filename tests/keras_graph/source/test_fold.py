"""Modules of one class become one function, where they share enough."""

from __future__ import annotations

from itertools import count

import pytest

from source_graphs import Maker
from torch2keras.keras_graph.source.fold import Folded, fold
from torch2keras.keras_graph.source.lines import CallTree, make_lines


def fold_maker(maker: Maker, classes, *outs: int, inlined=()) -> Folded:
    lines = [line for group in make_lines(maker.calls, count(100)) for line in group]
    return fold([lines], classes, outs, inlined)


def blocks(ops: list[str]) -> tuple[Maker, dict[str, str], int]:
    """Modules that call the ops of one text each, separated by blanks."""
    maker, x, classes = Maker(), 0, {}
    for place, names in enumerate(ops):
        classes[f"m.{place}"] = "Block"
        for name in names.split():
            x = maker.op(name, x, path=f"m.{place}")
        x = maker.layer("Dense", x, f"m.{place}.dense", units=8)
    return maker, classes, x


def called(folded: Folded) -> list[int]:
    lines = folded.parts[0]
    functions = [line.tree.function for line in lines if isinstance(line.tree, CallTree)]
    return [function for function in functions if isinstance(function, int)]


# ops of each module, the number of functions, the functions that are called
FOLDS = [
    (["exp tanh sin"] * 3, 1, [0, 0, 0]),
    (["exp tanh sin cos", "exp tanh sin", "exp tanh sin cos"], 1, [0, 0, 0]),
    (["exp tanh sin"] * 3 + ["log abs sqrt relu"] * 3, 2, [0, 0, 0, 1, 1, 1]),
    (["exp tanh sin"], 0, []),
    (["exp", "exp"], 0, []),
]


@pytest.mark.parametrize(("ops", "functions", "calls"), FOLDS)
def test_folds(ops, functions, calls) -> None:
    maker, classes, x = blocks(ops)
    folded = fold_maker(maker, classes, x)
    assert len(folded.functions) == functions
    assert called(folded) == calls


def test_classes_that_are_inlined_have_no_function() -> None:
    maker, classes, x = blocks(["exp tanh sin"] * 3)
    folded = fold_maker(maker, classes, x, inlined=["Block"])
    assert not folded.functions
    assert len(folded.parts[0]) == 12


def test_functions_call_functions() -> None:
    maker, x, classes = Maker(), 0, {}
    for stage in range(3):
        classes[f"s{stage}"] = "Stage"
        for place in range(3):
            path = f"s{stage}.b{place}"
            classes[path] = "Block"
            for name in ("exp", "tanh", "sin", "cos"):
                x = maker.op(name, x, path=path)
            x = maker.layer("Dense", x, f"{path}.dense", units=8)
    folded = fold_maker(maker, classes, x)
    assert [function.cls for function in folded.functions] == ["Block", "Stage"]
    assert called(folded) == [1, 1, 1]
    assert [line.tree.function for line in folded.functions[1].lines] == [0, 0, 0]


def test_what_the_model_gives_is_given_by_the_function() -> None:
    maker, classes, x = blocks(["exp tanh sin"] * 3)
    folded = fold_maker(maker, classes, x, 2, 6, 10)
    assert [len(function.outs) for function in folded.functions] == [2]


def test_too_many_options_are_two_functions() -> None:
    names = ["exp", "tanh", "sin", "cos", "log", "abs", "sqrt"]
    mixed = " relu ".join(["", *names, ""])
    maker, classes, x = blocks([mixed] * 2 + [" ".join(["relu"] * 8)] * 2)
    assert len(fold_maker(maker, classes, x).functions) == 2
