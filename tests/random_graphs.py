"""Random networks: a few ops, each drawn with arguments that are legal for the shapes at hand.

After NNSmith (Liu et al., ASPLOS 2023), forward only: where each shape is known, no solver is
needed. Weighted towards what moves axes: views, permutations, slices, joins, reductions,
broadcasting. A program is plain data, made from one number, so that a failing one can be made
smaller and its repr can be run again. Numbers are drawn evenly: a search that leans towards simple
programs, as hypothesis does, meets the rarer half of the ops hardly ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import torch
from torch import nn

from random_ops import CALLS, LAYERS, IllegalError, Shape

MOST_NUMBERS = 3000
"""Values larger than this are not made: they only cost time."""

SHAPES: tuple[Shape, ...] = ((3, 11), (6, 10), (12,), (3, 5, 7), (4, 6, 6), (8, 9), (8, 4, 5))
"""Of inputs, without the batch of 2."""

LAYOUTS = ("keras", "keras", "torch")
WHOLE, DYNAMIC, SHARED = 0.15, 0.25, 0.3
"""The shares of inputs of integers, of dynamic sizes, and of layers that are there already."""
TRIES = 8
"""Steps that are drawn for each that is kept."""

REFUSALS = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
"""What PyTorch raises for arguments that are not legal."""

OPS = CALLS | LAYERS
NAMES = [name for name, op in OPS.items() for _ in range(op.weight)]


@dataclass(frozen=True)
class Step:
    """One op on values of the pool; its result joins the pool."""

    op: str
    operands: tuple[int, ...]
    arguments: tuple[Any, ...]
    layer: int = -1
    """The number of the earlier step whose layer, weights and all, is used once more.

    -1 for a new one.
    """


@dataclass(frozen=True)
class Program:
    """The inputs, the steps, which values come out, and how the network is to be converted."""

    shapes: tuple[Shape, ...]
    whole: tuple[bool, ...]
    """Which inputs hold integers."""
    steps: tuple[Step, ...]
    outputs: tuple[int, ...]
    layout: str = "keras"
    dynamic: bool = False
    """Whether each dimension is dynamic where torch.export can prove it, not the batch alone."""

    def inputs(self) -> tuple[torch.Tensor, ...]:
        """The example: N(0, 1), and integers below 5."""
        generator = torch.Generator().manual_seed(1)
        return tuple(
            torch.randint(5, shape, generator=generator)
            if whole
            else torch.randn(shape, generator=generator)
            for shape, whole in zip(self.shapes, self.whole, strict=True)
        )

    def options(self) -> dict[str, Any]:
        """The arguments of `convert` beside the module and its example."""
        every = tuple(
            dict.fromkeys(range(len(shape)), torch.export.Dim.AUTO) for shape in self.shapes
        )
        return {"layout": self.layout, "dynamic_shapes": (every,) if self.dynamic else None}


class Network(nn.Module):
    """A program as a module; its weights are drawn from N(0, 1), the same for the same program."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.layers = nn.ModuleDict()
        generator = torch.Generator().manual_seed(0)
        for number, step in enumerate(program.steps):
            if step.op in LAYERS and step.layer < 0:
                self.layers[str(number)] = _filled(LAYERS[step.op].call(*step.arguments), generator)

    def forward(self, *inputs):
        pool = list(inputs)
        for number, step in enumerate(self.program.steps):
            pool.append(self.result(number, step, pool))
        return tuple(pool[i] for i in self.program.outputs)

    def result(self, number, step, pool):
        """What a step makes of values of the pool."""
        call = (
            self.layers[str(number if step.layer < 0 else step.layer)]
            if step.op in LAYERS
            else CALLS[step.op].call
        )
        return call(
            *[pool[i] for i in step.operands], *(() if step.op in LAYERS else step.arguments)
        )


def _filled(layer: nn.Module, generator: torch.Generator) -> nn.Module:
    """A layer with weights from N(0, 1), the statistics of a batch too; variances are positive."""
    with torch.no_grad():
        for name, tensor in layer.state_dict().items():
            if tensor.is_floating_point():
                tensor.normal_(generator=generator)
            if name == "running_var":
                tensor.abs_().add_(0.1)
    return layer


def drawn(seed: int, least: int = 3, most: int = 15) -> Program:
    """The program of this number, `least` to `most` steps that PyTorch runs.

    The inputs begin with a batch of 2.
    """
    rng = Random(seed)
    shapes = tuple((2, *rng.choice(SHAPES)) for _ in range(rng.randint(1, 2)))
    whole = tuple(rng.random() < WHOLE for _ in shapes)
    program = Program(shapes, whole, (), (0,), rng.choice(LAYOUTS), rng.random() < DYNAMIC)
    pool = list(program.inputs())
    wanted = rng.randint(least, most)
    for _ in range(TRIES * wanted):
        try:
            step = _step(rng, pool, program.steps)
            pool.append(_made(replace(program, steps=(*program.steps, step)), pool))
        except IllegalError:
            continue
        program = replace(program, steps=(*program.steps, step))
        if len(program.steps) == wanted:
            break
    read = {i for step in program.steps for i in step.operands}
    ends = tuple(i for i in range(len(shapes), len(pool)) if i not in read)
    return replace(program, outputs=ends or (0,))


def _step(rng: Random, pool: Sequence[torch.Tensor], steps: Sequence[Step]) -> Step:
    """A step that may be legal for values of the pool.

    Raises IllegalError where what was drawn fits none.
    """
    name, first = rng.choice(NAMES), rng.randrange(len(pool))
    earlier = [i for i, step in enumerate(steps) if step.op in LAYERS and step.layer < 0]
    if earlier and name in LAYERS and rng.random() < SHARED:
        again = rng.choice(earlier)
        return Step(steps[again].op, (first,), steps[again].arguments, again)
    others = tuple(rng.randrange(len(pool)) for _ in range(OPS[name].operands - 1))
    return Step(name, (first, *others), tuple(OPS[name].arguments(rng, tuple(pool[first].shape))))


def _made(program: Program, pool: Sequence[torch.Tensor]) -> torch.Tensor:
    """What the last step makes of the pool.

    Raises IllegalError where PyTorch refuses, or it is empty or large.
    """
    number = len(program.steps) - 1
    try:
        with torch.no_grad():
            value = Network(program).eval().result(number, program.steps[number], pool)
    except REFUSALS as error:
        raise IllegalError from error
    if not 0 < value.numel() <= MOST_NUMBERS or value.ndim > 5:
        raise IllegalError
    return value


def shrunk(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program that still `fails`, with a step, output or option less at a time."""
    while (smaller := next(filter(fails, filter(_runs, _smaller(program))), None)) is not None:
        program = smaller
    return program


def _runs(program: Program) -> bool:
    try:
        with torch.no_grad():
            Network(program).eval()(*program.inputs())
    except REFUSALS:
        return False
    return True


def _smaller(program: Program) -> Iterator[Program]:
    """Programs with one thing less."""
    if len(program.outputs) > 1:
        yield from (replace(program, outputs=(i,)) for i in program.outputs)
    if program.layout != "keras":
        yield replace(program, layout="keras")
    if program.dynamic:
        yield replace(program, dynamic=False)
    for number in reversed(range(len(program.steps))):
        own = len(program.shapes) + number
        for other in dict.fromkeys(program.steps[number].operands):
            yield _without(program, number, own, other)


def _without(program: Program, number: int, own: int, other: int) -> Program:
    """Step `number` left out.

    Who reads its value `own` reads `other` instead. What shared its layer has its own.
    """

    def place(i: int) -> int:
        return other if i == own else i - (i > own)

    def layer(step: Step) -> int:
        return -1 if step.layer == number else step.layer - (step.layer > number)

    steps = tuple(
        replace(step, operands=tuple(place(i) for i in step.operands), layer=layer(step))
        for i, step in enumerate(program.steps)
        if i != number
    )
    return replace(
        program, steps=steps, outputs=tuple(dict.fromkeys(place(i) for i in program.outputs))
    )
