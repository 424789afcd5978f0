"""Long statements are broken as ruff breaks them."""

from __future__ import annotations

import random
import subprocess
import sys

import pytest

from torch2keras.keras_graph.source.wrapping import (
    WIDTH,
    Bracket,
    add_comment,
    fill_lines,
    split_brackets,
    wrap_call,
    wrap_statement,
    wrap_table,
    wrap_values,
)


def test_what_fits_stays() -> None:
    text = "x = f(" + "a" * (WIDTH - 11) + ")"
    assert wrap_statement(4, text) == [f"    {text}"]
    assert len(wrap_statement(5, text)) == 3


A, B = "a" * 50, "b" * 60


CASES = {
    "arguments on one line": (f"x = f({A}, {B[:42]})", ["x = f(", f"    {A}, {B[:42]}", ")"]),
    "one argument a line": (f"x = f({A}, {B})", ["x = f(", f"    {A},", f"    {B},", ")"]),
    "the last bracket": (f"x = f({A})({B})", [f"x = f({A})(", f"    {B}", ")"]),
    "the first bracket": (f"x = f({A}, {B[:42]})(x)", ["x = f(", f"    {A}, {B[:42]}", ")(x)"]),
    "a list": (f"x = [{A}, {B}]", ["x = [", f"    {A},", f"    {B},", "]"]),
    "a list in a call": (
        f"x = f([{A}, {B}], axis=1)",
        ["x = f(", "    [", f"        {A},", f"        {B},", "    ],", "    axis=1,", ")"],
    ),
    "an empty call": (f"x = f()({A}, {B[:42]})", ["x = f()(", f"    {A}, {B[:42]}", ")"]),
    "commas in texts": (f'x = f("{A},(", "{B}")', ["x = f(", f'    "{A},(",', f'    "{B}",', ")"]),
    "nothing to break": (f"{A} = {B}", [f"{A} = {B}"]),
}


@pytest.mark.parametrize("name", CASES)
def test_cases(name: str) -> None:
    text, wanted = CASES[name]
    assert wrap_statement(0, text) == wanted


def test_long_lists_of_numbers_stay_together() -> None:
    lines = wrap_statement(0, f"x = f(np.array([{', '.join(map(str, range(100)))}], 'int32'))")
    assert lines[-1] == ")  # fmt: skip"
    assert len(lines) <= 12
    assert max(map(len, lines)) <= WIDTH


def test_tables() -> None:
    lines = ["    rows = [", "        (1, 2),", "        (3, 4),", "    ]"]
    assert wrap_table(4, "rows", ["(1, 2)", "(3, 4)"]) == lines
    numbers = ", ".join(map(str, range(100)))
    assert wrap_table(0, "rows", [f"[{numbers}]"])[-1] == "]  # fmt: skip"


def test_values() -> None:
    assert wrap_values(4, "return", ["x", "y"]) == ["    return x, y"]
    wanted = ["return (", f"    {A},", f"    {B},", ")"]
    assert wrap_values(0, "return", [A, B]) == wanted


def test_calls() -> None:
    assert wrap_call(4, "x = f", ["a", "b=1"], ")(y)") == ["    x = f(a, b=1)(y)"]


def test_filled_lines() -> None:
    lines = fill_lines("# ", [f"word{number}" for number in range(40)])
    assert all(line.startswith("# ") and len(line) <= WIDTH for line in lines)
    assert "".join(line[2:] + " " for line in lines).split(", ")[39].strip() == "word39"
    assert fill_lines("", ["a", "b"], ",") == ["a, b,"]


def test_brackets() -> None:
    brackets, tail = split_brackets('x = f(a, "(,", g(b, c))[1](), [d]')
    assert brackets[0] == Bracket("x = f", '(a, "(,", g(b, c))', ("a", '"(,"', "g(b, c)"), True)
    assert [one.is_attached for one in brackets] == [True, True, True, False]
    assert [one.items for one in brackets[1:]] == [("1",), (), ("d",)]
    assert tail == ""


def random_call(draw: random.Random, depth: int = 0) -> str:
    arguments = []
    for _ in range(draw.randint(0, 5)):
        kind = draw.randrange(4 if depth < 3 else 2)
        word = "v" * draw.randint(1, 30)
        if kind == 2:
            word = f"[{', '.join(random_call(draw, depth + 1) for _ in range(2))}]"
        elif kind == 3:
            word = random_call(draw, depth + 1)
        arguments.append(word)
    inner = ", ".join(arguments)
    return f"{'f' * draw.randint(1, 20)}({inner})" + "(x)" * draw.randrange(2)


def test_random_statements_are_as_ruff_writes_them(tmp_path) -> None:
    draw = random.Random(0)
    lines = []
    for _ in range(200):
        lines += wrap_statement(0, f"x = {random_call(draw)}")
    file = tmp_path / "text.py"
    file.write_text("\n".join([*lines, ""]), encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--diff", "--isolated"]
    done = subprocess.run(
        [*command, "--line-length", "100", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_comment_stands_at_the_end_where_it_fits() -> None:
    assert add_comment(["a(", ")"], "why") == ["a(", ")  # why"]
    assert add_comment(["a"], "") == ["a"]
    assert add_comment(["a" * 95], "why") == ["a" * 95]
    assert add_comment(["a  # fmt: skip"], "why") == ["a  # fmt: skip"]
