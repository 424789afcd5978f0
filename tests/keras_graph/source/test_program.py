"""The folded code of graphs replays equal, and reads as it should."""

from __future__ import annotations

import random
import re
import subprocess
import sys

import pytest
import torch
from torch import nn

import torch2keras as t2k
from source_graphs import (
    Maker,
    Value,
    fold_source,
    function_names,
    literal,
    require_safe,
    value_names,
)
from torch2keras.graph.ir import Origin
from torch2keras.keras_graph.graph import Call, Input, KerasGraph, LayerSpec, Ref
from torch2keras.keras_graph.source.functions import Function
from torch2keras.keras_graph.source.program import name_functions, write_program, write_source
from torch2keras.keras_graph.source.replay import require_same_calls


def add_conv(maker: Maker, value: int, path: str, **config) -> int:
    return maker.layer("Conv1D", value, path, **{"filters": 8, "kernel_size": (3,), **config})


def chain_of_blocks() -> KerasGraph:
    """Residual blocks of two widths, of which the wider ones begin with a projection."""
    maker = Maker(shape=(None, 32, 8))
    x = 0
    for place, width in enumerate([8, 8, 16, 16, 32]):
        path = f"layer{place + 1}"
        y = add_conv(maker, x, f"{path}.conv1", filters=width)
        y = maker.layer("ReLU", y, f"{path}.relu")
        y = add_conv(maker, y, f"{path}.conv2", filters=width)
        if place in (2, 4):
            x = add_conv(maker, x, f"{path}.down", filters=width, kernel_size=(1,))
        x = maker.op("add", y, x, path=path)
    return maker.graph(x)


BLOCK_CLASSES = {f"layer{place + 1}": "Block" for place in range(5)}


def plain_loop() -> KerasGraph:
    maker = Maker()
    x = 0
    for place in range(6):
        x = maker.layer("Dense", x, f"net.{2 * place}", units=8)
        x = maker.layer("ReLU", x, f"net.{2 * place + 1}")
    return maker.graph(x)


def doubled_loop() -> KerasGraph:
    """Loops in loops: three stages of nine layers each."""
    maker = Maker()
    x = 0
    for stage in range(3):
        for place in range(9):
            x = maker.layer("Dense", x, f"stage{stage}.{place}", units=(8, 24, 40)[stage])
        x = maker.op("tanh", x)
    return maker.graph(x)


def swap_loop() -> KerasGraph:
    """Two values that change places in each repetition."""
    maker = Maker("a", "b")
    a, b = 0, 1
    for place in range(5):
        c = maker.layer("Dense", b, f"left{place}", units=8)
        a, b = c, maker.layer("Dense", a, f"right{place}", units=8)
    return maker.graph(a, b)


def carry_of_one_value() -> KerasGraph:
    """Two values that begin as the same one, and differ from then on."""
    maker = Maker()
    a = b = 0
    for place in range(5):
        c = maker.op("add", maker.layer("Dense", a, f"one{place}", units=8), b)
        a, b = c, maker.op("multiply", b, c)
    return maker.graph(a, b)


def shared_layer() -> KerasGraph:
    maker = Maker("left", "right")
    ends = []
    for value in (0, 1):
        y = maker.layer("Dense", value, "encoder.first", units=8)
        ends.append(maker.layer("Dense", maker.op("tanh", y), "encoder.second", units=4))
    return maker.graph(maker.op("subtract", *ends))


def dense_block() -> KerasGraph:
    """Lists of values that grow by one."""
    maker = Maker(shape=(None, 32, 8))
    values = [0]
    for place in range(6):
        y = values[0]
        if place:
            y = maker.op("concatenate", list(values), path=f"block.{place}", axis=2)
        values.append(add_conv(maker, y, f"block.{place}.conv"))
    return maker.graph(maker.op("concatenate", values, axis=2))


def preactivation_blocks() -> KerasGraph:
    """Blocks in which a projection and a padding, side by side, are options of two values."""
    maker = Maker(shape=(None, 32, 8))
    x = 0
    for place, width in enumerate([8, 16, 16, 24, 32]):
        path = f"layer{place + 1}"
        y = maker.layer("ReLU", maker.layer("BatchNormalization", x, f"{path}.bn"), f"{path}.act")
        strides = (1 + place % 2,)
        if strides == (2,):
            shortcut = add_conv(maker, y, f"{path}.down", filters=width, strides=strides)
            y = maker.layer("ZeroPadding1D", y, f"{path}.conv", f"{path}_pad")
        else:
            shortcut = x
        y = add_conv(maker, y, f"{path}.conv", filters=width, strides=strides)
        y = maker.layer("ReLU", maker.layer("BatchNormalization", y, f"{path}.bn2"), f"{path}.act2")
        y = add_conv(maker, y, f"{path}.conv2", filters=width)
        x = maker.op("add", y, shortcut, path=path)
    return maker.graph(x)


def loop_beside_a_skip() -> KerasGraph:
    """What a loop begins with is read behind it, where its body might have given its name away."""
    maker = Maker()
    first = x = maker.layer("Dense", 0, "stem", units=8)
    for place in range(3):
        y = maker.op("tanh", maker.layer("Dense", x, f"net.{place}", units=8))
        x = maker.op("add", y, x)
    return maker.graph(maker.op("concatenate", [first, x], axis=1))


def several_outputs() -> KerasGraph:
    maker = Maker()
    x, _, z = maker.op("split", 0, Value(4), count=3, axis=1)
    y, _ = maker.op("unstack", x, count=2, axis=1)
    return maker.graph(z, y, 0, z)


def nested_models(count: int = 840) -> KerasGraph:
    """A graph so deep that it is cut into nested models."""
    maker = Maker()
    x = 0
    for place in range(count):
        path = f"blocks.{place // 7}"
        if place % 7:
            x = maker.op("tanh", x, path=path)
        else:
            x = maker.layer("Dense", x, f"{path}.dense", units=8)
    return maker.graph(x)


def frozen_and_other_dtypes() -> KerasGraph:
    maker = Maker()
    x = maker.layer("Dense", 0, "head", units=8, trainable=False)
    x = maker.layer("Dense", x, "half", units=8, dtype="bfloat16")
    x = maker.op("cast", x, "float32")
    x = maker.layer("Activation", x, "act", activation="gelu")
    return maker.graph(maker.layer("Dense", x, "tail", units=8, use_bias=False))


def indices() -> KerasGraph:
    maker = Maker(shape=(None, 6, 8))
    value = 0
    for index in [
        (slice(None), slice(1, None)),
        (slice(None, 1),),
        (..., slice(None, None, 2)),
        slice(0, 1),
        (slice(None), None, 0),
        (),
        0,
    ]:
        value = maker.call("getitem", [value, Value(index)])
    return maker.graph(value)


def layer_in_layer() -> KerasGraph:
    maker = Maker(shape=(None, 6, 8))
    for place, units in enumerate([4, 8]):
        spec = LayerSpec("LSTM", {"units": units, "return_sequences": True})
        last = maker.layer("Bidirectional", place, f"rnn{place}", layer=spec)
    return maker.graph(last)


def fixed_batch() -> KerasGraph:
    inputs = (Input("ids", (2, 5), "int32"), Input("mask", (None, 5), "bool"))
    call = Call("ops.where", (Ref(1), Ref(0), 0), {}, (2,))
    return KerasGraph("net", inputs, (call,), (2,))


GRAPHS = {
    "options": (chain_of_blocks, BLOCK_CLASSES),
    "without classes": (chain_of_blocks, {}),
    "a loop": (plain_loop, {}),
    "loops in loops": (doubled_loop, {}),
    "a swap": (swap_loop, {}),
    "one value carried as two": (carry_of_one_value, {}),
    "a shared layer": (shared_layer, {"encoder": "Encoder"}),
    "growing lists": (dense_block, {f"block.{i}": "DenseLayer" for i in range(6)}),
    "options of two values": (preactivation_blocks, BLOCK_CLASSES),
    "a loop beside a skip": (loop_beside_a_skip, {}),
    "several outputs": (several_outputs, {}),
    "nested models": (nested_models, {f"blocks.{i}": "Block" for i in range(120)}),
    "nested without classes": (nested_models, {}),
    "frozen layers": (frozen_and_other_dtypes, {}),
    "indices": (indices, {}),
    "a layer in a layer": (layer_in_layer, {}),
    "a fixed batch": (fixed_batch, {}),
    "nothing": (lambda: Maker().graph(0), {}),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_folded_code_replays_equal(name: str) -> None:
    build, classes = GRAPHS[name]
    graph = build()
    text = fold_source(graph, classes)
    flat = write_program(graph, {}, flat=True)
    require_same_calls(flat, graph)
    require_safe(flat)
    assert len(text.splitlines()) <= len(flat.splitlines()) + 12
    assert text == write_program(graph, classes)


EXPECTED = {
    "options": [
        "def block(x, filters, *, name):",
        "    change = x.shape[-1] != filters",
        "    if change:",
        "block(x, filters, ",
    ],
    "a loop": ["for i in range(6):", 'name=f"net_{2 * i}"'],
    "loops in loops": ["for i in range(9):", "for j, units in enumerate([8, 24, 40]):", "{j}_{i}"],
    "a swap": ["    for i in range(5):", "        b, a = a, b"],
    "a shared layer": ["dense = layers.Dense("],
    "growing lists": ["features = [*features, "],
    "nested models": ["def nest(function, inputs, name):", "partial("],
    "frozen layers": ["trainable=False", 'dtype="bfloat16"'],
    "indices": ["[:, 1:]", "[:1,]", "[..., ::2]", "[:, None, 0]", "[()]", "[0:1]"],
}


@pytest.mark.parametrize("name", EXPECTED)
def test_what_stands_in_the_code(name: str) -> None:
    build, classes = GRAPHS[name]
    text = fold_source(build(), classes)
    assert [one for one in EXPECTED[name] if one not in text] == [], text


def test_no_number_ends_a_name() -> None:
    for name, (build, classes) in GRAPHS.items():
        graph = nested_models(30) if name.startswith("nested") else build()
        text = write_program(graph, classes)
        assert [name for name in function_names(text) if name[-1].isdigit()] == []
        assert [name for name in value_names(text) if re.fullmatch(r"x_?\d+", name)] == []


LITERALS = {
    "nan and inf": torch.tensor([float("nan"), float("inf"), -float("inf")]),
    "all nan": torch.full((2,), float("nan")),
    "booleans": torch.tensor([[True, False], [False, True]]),
    "all true": torch.ones(3, dtype=torch.bool),
    "nothing": torch.zeros(0),
    "no rows of three": torch.zeros(0, 3),
    "three rows of nothing": torch.zeros(3, 0, dtype=torch.int32),
    "negative zero": torch.tensor([0.0, -0.0]),
    "negative zeros": torch.tensor([-0.0, -0.0]),
    "a number": torch.tensor(-2.5),
    "one": torch.tensor([7]),
    "a range": torch.arange(12).reshape(3, 4),
    "a range from two": torch.arange(2, 9, dtype=torch.int32),
    "a long list": torch.tensor(range(0, 300, 3)),
    "a long matrix": torch.tensor(range(0, 900, 3)).reshape(10, 30),
    "small numbers": torch.tensor([1e-30, 0.1, 1 / 3, 3.4e38]),
    "double": torch.tensor([0.1, 1 / 3], dtype=torch.float64),
    "half": torch.tensor([0.1, 1 / 3], dtype=torch.float16),
    "bfloat16": torch.tensor([0.1, 1 / 3], dtype=torch.bfloat16),
}


def constant_graph(value) -> KerasGraph:
    maker = Maker()
    for place in range(3):
        x = maker.op("add", place, value)
    return maker.graph(x)


@pytest.mark.parametrize("name", LITERALS)
def test_literals(name: str) -> None:
    text = fold_source(constant_graph(literal(LITERALS[name])))
    assert max(map(len, text.splitlines())) <= 100


NUMBERS = [float("nan"), float("inf"), -float("inf"), -0.0, 1e300, -1e-9, 10**30, -1, True, None]


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_numbers(number) -> None:
    fold_source(constant_graph(Value(number)))


TEXTS = [
    'quote " and \' and """',
    "line\nbreak\r\n\t\0",
    "back\\slash \\N{BULLET} \\",
    "{brace} {0} {{}}",
    "имя 名前 \U0001f600 \ud800",
    '"); import os; os.system("x',
    "name",
    "x",
    "build",
    "layers",
    "class",
    "match",
    "print",
    "__builtins__",
    "np.array",
    "",
    "row",
    "i",
    "part_a",
    "inputs",
    "x_input",
    "1",
    "a.1.b",
]
"""Names that might become code."""


def hostile_graph(names: list[str]) -> tuple[KerasGraph, dict[str, str]]:
    """Everything is named by these: inputs, layers, modules, classes, the model."""
    maker = Maker(*names[:3], shape=(None, 8))
    x, paths = 0, {}
    for place, name in enumerate(names):
        path = f"{name}.{place}"
        paths[path] = names[place % 2]
        y = maker.layer("Dense", x, f"{path}.{name}", name=f"{name}{place}", units=8 + place)
        if place % 3 == 0:
            y = maker.layer("Dense", y, f"{path}.y{name}", name=f"{name}_{place}", units=4)
        x = maker.op("add", x, maker.op("einsum", name, y, path=path))
    return maker.graph(x, name=names[0]), paths


@pytest.mark.parametrize("text", TEXTS, ids=repr)
def test_one_hostile_name(text: str) -> None:
    graph, classes = hostile_graph([text, f"{text}_input", f"{text}1", text, text, text])
    source = write_source(graph, classes)
    require_safe(source)
    fold_source(graph, classes)


def test_hostile_names_together() -> None:
    draw = random.Random(0)
    for _ in range(30):
        graph, classes = hostile_graph(draw.choices(TEXTS, k=7))
        require_safe(write_source(graph, classes))


class Block(nn.Module):
    """A block of which parts are options."""

    def __init__(self, width: int, *, narrow: bool, act: type[nn.Module]) -> None:
        super().__init__()
        self.up = nn.Linear(width, 2 * width)
        self.act = act()
        self.down = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width) if narrow else nn.Identity()

    def forward(self, x):
        return x + self.norm(self.down(self.act(self.up(x))))


def random_module(draw: random.Random) -> nn.Module:
    width = draw.choice([4, 8])
    layers: list[nn.Module] = []
    for _ in range(draw.randint(2, 7)):
        act = draw.choice([nn.ReLU, nn.Tanh, nn.GELU])
        kind = draw.randrange(3)
        if kind == 0:
            layers.append(Block(width, narrow=draw.random() < 0.5, act=act))
        elif kind == 1:
            layers += [nn.Linear(width, width), act()]
        else:
            layers.append(nn.Sequential(nn.Conv1d(5, 5, 3, padding=1), nn.BatchNorm1d(5), act()))
    return nn.Sequential(*layers, nn.Linear(width, 3)), width


@pytest.mark.parametrize("seed", range(12))
def test_random_modules(seed: int) -> None:
    module, width = random_module(random.Random(seed))
    converted = t2k.convert(module.eval(), (torch.randn(2, 5, width),), verify=False)
    classes = {path: type(one).__name__ for path, one in module.named_modules()}
    graph = converted.conversion.lowered.graph
    fold_source(graph, classes)
    fold_source(graph, {})


def random_graph(draw: random.Random) -> tuple[KerasGraph, dict[str, str]]:
    """Calls of few kinds on random values, in modules of few classes."""
    maker = Maker(*"abc"[: draw.randint(1, 3)])
    classes = {}
    for block in range(draw.randint(2, 8)):
        cls = draw.choice(["Left", "Right"])
        classes[f"m.{block}"] = cls
        inner = random.Random(cls + str(draw.randrange(2)))
        base = maker.next
        for step in range(inner.randint(2, 6)):
            path = f"m.{block}.s{step}"
            some = [max(0, maker.next - 1 - inner.randrange(3)) for _ in range(2)]
            if inner.random() < 0.5:
                maker.layer("Dense", some[0], path, units=draw.choice([4, 8]))
            else:
                maker.op(inner.choice(["add", "multiply"]), *some, path=path)
            if draw.random() < 0.1 and maker.next > base + 1:
                maker.op("tanh", maker.next - 2, path=path)
    ends = draw.sample(range(maker.next), draw.randint(1, 2))
    return maker.graph(maker.next - 1, *ends), classes


def test_random_graphs() -> None:
    for seed in range(150):
        graph, classes = random_graph(random.Random(seed))
        fold_source(graph, classes)


def test_ruff_has_nothing_to_say(tmp_path) -> None:
    texts = [write_program(build(), classes) for build, classes in GRAPHS.values()]
    texts += [write_program(constant_graph(literal(one)), {}) for one in LITERALS.values()]
    texts += [write_source(*hostile_graph([text] * 6)) for text in TEXTS]
    long = Maker(shape=(None, 8))
    x = 0
    for place in range(2, 12):
        long.op("add", 0, 0, path="y" * 3 * place)
        x = long.layer("Dense", x, f"{'long_' * place}name", units=8, use_bias=False)
        x = long.op("concatenate", [x, *range(place)], path="z" * 4 * place, axis=-1)
    texts.append(fold_source(long.graph(x)))
    for place, text in enumerate(texts):
        (tmp_path / f"text{place}.py").write_text(text, encoding="utf-8")
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["format", "--diff"], ["check"]):
        options = ["--isolated", "--line-length", "100", str(tmp_path)]
        done = subprocess.run(
            [*ruff, *command, *options], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout


def test_functions_of_one_class_have_telling_names() -> None:
    """The second function of a class is named by a module that it stands for."""
    maker = Maker()
    x = 0
    for stage in ("small", "large"):
        for place in range(3):
            path = f"{stage}.{place}"
            names = ["tanh", "relu", "exp"] if stage == "small" else ["sin", "cos", "log", "abs"]
            for name in names:
                x = maker.op(name, x, path=path)
            x = maker.layer("Dense", x, f"{path}.dense", units=8)
    classes = {f"{stage}.{place}": "Block" for stage in ("small", "large") for place in range(3)}
    text = fold_source(maker.graph(x), classes)
    assert set(function_names(text)) <= {"block", "block_large", "build"}


def test_a_name_that_is_taken_gets_a_letter() -> None:
    def make(number: int) -> Function:
        template = type("Template", (), {"bodies": []})()
        return Function(number, "Block", [], [], [], [], {}, template, {})

    assert name_functions([make(0), make(1)], ["block"]) == {0: "block_a", 1: "block_b"}


def test_the_origin_of_a_call_is_no_part_of_the_code() -> None:
    calls = (Call("ops.tanh", (Ref(0),), {}, (1,), origin=Origin("secret")),)
    graph = KerasGraph("net", (Input("x", (None, 8), "float32"),), calls, (1,))
    assert "secret" not in fold_source(graph)
