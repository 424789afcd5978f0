"""Products of matrices and tensors, as layers or as equations."""

from __future__ import annotations

from collections.abc import Sequence

from torch2keras.keras_graph.operand import Operand
from torch2keras.layout.einsum_letters import UNIT
from torch2keras.lower.recorder import Tensor, call, cast, layers, ops
from torch2keras.ops.blocks.operands import add_bias, reshape_along, split_bias


def apply_dense(x: Operand, kernel: Operand, bias: Operand | None) -> Tensor:
    """`x @ kernel + bias`: a `Dense` layer, or `matmul` where the model computes the kernel.

    The kernel is (inputs, units); `x` may be a vector.
    """
    if not kernel.is_constant:
        return add_bias(ops.matmul(x, kernel), bias)
    if x.ndim == 1:
        return ops.squeeze(apply_dense(ops.expand_dims(x, 0), kernel, bias), 0)
    held, added = split_bias(bias)
    layer = layers.Dense(units=kernel.shape[1], use_bias=held is not None)
    return add_bias(call(layer, x, kernel=kernel, bias=held), added)


def contract(
    operands: Sequence[Operand], letters: Sequence[str], bias: Operand | None = None
) -> Tensor:
    """The product of operands by an equation.

    `letters` names the stored dimensions of each operand, then of the result. The bias is a
    constant that broadcasts to the result.
    """
    *words, result = (word.replace(UNIT, "") for word in letters)
    solid = list(map(drop_units, operands, letters))
    y = _contract_solid(solid, words, result, bias)
    return y.expand_dims(*find_units(letters[-1]))


def find_units(word: str) -> list[int]:
    """The places of dimensions of size one."""
    return [place for place, letter in enumerate(word) if letter == UNIT]


def drop_units(x: Operand, word: str) -> Operand:
    """`x` without the dimensions of size one, which an einsum does not broadcast."""
    return x.squeeze(*find_units(word))


def _contract_solid(
    operands: Sequence[Operand], words: Sequence[str], result: str, bias: Operand | None
) -> Tensor:
    """The equation as a Keras user would write it: a layer by a constant, `matmul` if it is one."""
    if len(operands) == 2 and operands[0].is_float:
        pairs = list(zip(operands, words, strict=True))
        for (x, word), (kernel, other) in (pairs, pairs[::-1]):
            keeps_batch = len(word) > 1 and word[0] == result[:1]
            if isinstance(x, Tensor) and kernel.is_constant and keeps_batch:
                return _contract_by_layer(x, word, kernel, other, result, bias)
    if len(words) == 2 and is_matmul(words[0], words[1], result):
        return add_bias(ops.matmul(*operands), bias)
    return add_bias(apply_einsum(f"{','.join(words)}->{result}", operands), bias)


def apply_einsum(equation: str, operands: Sequence[Operand]) -> Tensor:
    """`keras.ops.einsum`; of integers in float64, for Keras takes float32, exact up to 2**24."""
    if operands[0].is_float:
        return ops.einsum(equation, *operands)
    floats = [cast(x, "float64") for x in operands]
    return cast(ops.einsum(equation, *floats), "int64")


def _contract_by_layer(
    x: Tensor, word: str, kernel: Operand, other: str, result: str, bias: Operand | None
) -> Tensor:
    """`Dense` over the last dimension, else `EinsumDense`.

    `word` and `other` are the letters of `x` and of the kernel.

    A product without a sum is a plain one: as an einsum TensorFlow takes ten times as long.
    """
    if set(other) <= set(word) and result == word:
        places = [word.index(letter) for letter in other]
        order = sorted(range(len(places)), key=places.__getitem__)
        factor = reshape_along(kernel.transpose(*order), places, x.ndim)
        return add_bias(x * factor, bias)
    if len(other) == 2 and word[-1] in other:
        free = other.replace(word[-1], "")
        if result == word[:-1] + free:
            matrix = kernel if other[1] == free else kernel.transpose(1, 0)
            return apply_dense(x, matrix, bias)
    sizes = dict(zip(other + word, kernel.shape + x.shape, strict=True))
    layer = layers.EinsumDense(
        equation=f"{word},{other}->{result}",
        output_shape=tuple(sizes[letter] for letter in result[1:]),
        bias_axes=None if bias is None else result[-bias.ndim],
    )
    return call(layer, x, kernel=kernel, bias=bias)


def is_matmul(left: str, right: str, result: str) -> bool:
    """Whether an equation is `...ij,...jk->...ik` or `...ij,jk->...ik`."""
    if min(len(left), len(right), len(result)) < 2:
        return False
    batch, row, inner, column = left[:-2], left[-2], left[-1], right[-1]
    if right[-2] != inner or row == column:
        return False
    return right[:-2] in (batch, "") and result == batch + row + column
