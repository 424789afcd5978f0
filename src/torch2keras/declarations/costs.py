"""What ops cost that run in any order, where TensorFlow's kernel has another one.

TensorFlow transposes inside of them then. A cost is of one node, in transposes. It is given the
words of the node: for each operand, then each result, its axes longer than one in the order in
which they are stored. A cost function answers with a number for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain, pairwise

from torch2keras.declarations.labels import AxisLabel

Word = Sequence[AxisLabel]


CostFunction = Callable[[Sequence[Word]], list[float]]


HIDDEN = 0.1
"""The cost of an operand or result that an einsum transposes inside of itself.

It takes as long as a transpose, but nobody has to read it: it decides between layouts with as many
transposes.
"""


PIECES, TANGLED = 4, 0.6
"""The most pieces of an operand that cost `HIDDEN`, and the cost of more.

More pieces than batch, positions, heads and features are the windows of an image, say, which are
moved as well: who reads the equation has to know what a transpose before it would say, and
TensorFlow takes longer.
"""


SCATTERED = 0.02
"""The additional cost where the last axis is one of the batch: no neighbours stay neighbours."""


ALONG_ANOTHER = 0.45
"""The cost of the operand, and of the result, of an op along the last dimension of TensorFlow.

Together they cost less than a transpose that is written out, unless something else speaks for that
one too.
"""


def last_axis_cost(words: Sequence[Word]) -> list[float]:
    """Return the costs of an op along `[dim]` whose kernel runs along the last dimension alone.

    TensorFlow's softmax does so.
    """
    acted = {letter for letter in chain.from_iterable(words) if not letter.label.is_free}
    costs = []
    for word in words:
        last = word[len(word) - len(acted) :]
        costs.append(0.0 if set(last) == acted else ALONG_ANOTHER)
    return costs


def contraction_cost(words: Sequence[Word]) -> list[float]:
    """Return the costs of the operands and the result of an einsum.

    TensorFlow multiplies (batch, free, summed) by (batch, summed, free), the last two either way.
    """
    if len(words) != 3:
        return [0.0] * len(words)
    left, right, result = map(set, words)
    rows, columns, shared = left - right, right - left, left & right & result
    candidates = []
    for reference in words:
        batch = [letter for letter in reference if letter in shared]
        pairs = zip(words, (rows, columns, rows), strict=True)
        candidates.append([_operand_cost(word, batch, free) for word, free in pairs])
    return min(candidates, key=sum)


def _operand_cost(word: Word, batch: Word, free: AbstractSet[AxisLabel]) -> float:
    """Return the cost of one operand or result of an einsum.

    It is 0 where the word is the batch, then what is free in one piece, before or behind the rest.
    """
    is_free = [letter in free for letter in word[len(batch) :]]
    in_one_piece = is_free in (sorted(is_free), sorted(is_free, reverse=True))
    if list(word[: len(batch)]) == batch and in_one_piece:
        return 0.0
    rows = [letter for letter in word if letter in free]
    rest = set(word).difference(batch, rows)
    target = [*batch, *rows, *sorted(rest, key=list(word).index)]
    kept = set(pairwise(target)).intersection(pairwise(word))
    pieces = len(word) - len(kept)
    cost = HIDDEN if pieces <= PIECES else TANGLED
    if word[-1] in batch:
        cost += SCATTERED
    return cost
