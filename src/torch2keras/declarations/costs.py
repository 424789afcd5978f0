"""What ops that run in any order cost in one that TensorFlow's kernel does not have: it transposes inside of them.

A cost is of one node, in transposes. It is given the words of the node: for each operand, then each result, its axes
longer than one in the order in which they are stored. A cost function answers with a number for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise

from torch2keras.declarations.labels import AxisLabel

Word = Sequence[AxisLabel]


CostFunction = Callable[[Sequence[Word]], list[float]]


HIDDEN = 0.1
"""Of an operand or result that an einsum transposes inside of itself. It takes as long as a transpose, but nobody has
to read it: it decides between layouts with as many transposes."""


PIECES, TANGLED = 4, 0.6
"""More pieces than batch, positions, heads and features are the windows of an image, say, which are moved as well: who
reads the equation has to know what a transpose before it would say, and TensorFlow takes longer."""


SCATTERED = 0.02
"""More where the last axis is one of the batch: then no two numbers that lie side by side stay so."""


ALONG_ANOTHER = 0.45
"""Of the operand and of the result of an op that TensorFlow runs along the last dimension: together they cost less than
a transpose that is written out, unless something else speaks for that one too."""


def last_axis_cost(words: Sequence[Word]) -> list[float]:
    """Of an op along `[dim]` whose kernel runs along the last dimension alone, as TensorFlow's softmax does."""
    acted = {letter for word in words for letter in word if not letter.label.is_free}
    return [ALONG_ANOTHER * (set(word[len(word) - len(acted) :]) != acted) for word in words]


def contraction_cost(words: Sequence[Word]) -> list[float]:
    """Of an einsum: TensorFlow multiplies (batch, free, summed) by (batch, summed, free), the last two either way."""
    if len(words) != 3:
        return [0.0] * len(words)
    left, right, result = map(set, words)
    rows, columns, shared = left - right, right - left, left & right & result
    counts = []
    for reference in words:
        batch = [letter for letter in reference if letter in shared]
        counts.append(
            [
                _operand_cost(word, batch, free)
                for word, free in zip(words, (rows, columns, rows), strict=True)
            ]
        )
    return min(counts, key=sum)


def _operand_cost(word: Word, batch: Word, free: AbstractSet[AxisLabel]) -> float:
    """Nothing where a word is the batch, then what is free in one piece, before or behind the rest."""
    inside = [letter in free for letter in word[len(batch) :]]
    if list(word[: len(batch)]) == batch and inside in (
        sorted(inside),
        sorted(inside, reverse=True),
    ):
        return 0.0
    rows = [letter for letter in word if letter in free]
    target = [*batch, *rows, *(letter for letter in word if letter not in (*batch, *rows))]
    pieces = len(word) - sum(pair in pairwise(target) for pair in pairwise(word))
    return (HIDDEN if pieces <= PIECES else TANGLED) + SCATTERED * (word[-1] in batch)
