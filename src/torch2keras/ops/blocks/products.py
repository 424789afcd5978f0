"""Products of matrices as layers or equations."""

from __future__ import annotations

from collections.abc import Sequence

from torch2keras.keras_graph.weight import Weight
from torch2keras.layout.einsum_letters import UNIT
from torch2keras.lower.recorder import Tensor, call, cast, layers, ops
from torch2keras.ops.blocks.operands import reshape_along

Operand = Tensor | Weight


def dense(x: Operand, kernel: Operand, bias: Operand | None) -> Tensor:
    """`x @ kernel + bias`: a `Dense` layer that holds what is not computed by the model."""
    learnt = bias if isinstance(bias, Weight) else None
    if isinstance(kernel, Weight) and x.ndim == 1:
        return ops.squeeze(dense(ops.expand_dims(x, 0), kernel, bias), 0)
    if isinstance(kernel, Weight):
        y = call(
            layers.Dense(units=kernel.shape[1], use_bias=learnt is not None),
            x,
            kernel=kernel,
            bias=learnt,
        )
        return y if bias is learnt else y + bias
    y = ops.matmul(x, kernel)
    return y if bias is None else y + bias


def contract(
    operands: Sequence[Operand], letters: Sequence[str], bias: Weight | None = None
) -> Tensor:
    """The product of operands by an equation, whose letters are their stored dimensions; a bias broadcasts to it."""
    *words, result = (word.replace(UNIT, "") for word in letters)
    solid = [without_units(x, word) for x, word in zip(operands, letters, strict=False)]
    y = product(solid, words, result, bias)
    for position, letter in enumerate(letters[-1]):
        y = ops.expand_dims(y, position) if letter == UNIT else y
    return y


def without_units(x: Operand, word: str) -> Operand:
    """`x` without the dimensions of size one, which an einsum does not broadcast."""
    units = tuple(i for i, letter in enumerate(word) if letter == UNIT)
    if not units:
        return x
    if isinstance(x, Weight):
        return x.reshape(*(size for i, size in enumerate(x.shape) if i not in units))
    return ops.squeeze(x, axis=units)


def product(
    operands: Sequence[Operand], words: Sequence[str], result: str, bias: Weight | None
) -> Tensor:
    """An einsum in the form that a Keras user would write: a layer by a constant, `matmul` if it is one."""
    if len(operands) == 2 and "float" in operands[0].dtype:
        pairs = list(zip(operands, words, strict=True))
        for (x, word), (kernel, other) in (pairs, pairs[::-1]):
            if (
                isinstance(x, Tensor)
                and isinstance(kernel, Weight)
                and len(word) > 1
                and word[0] == result[:1]
            ):
                return by_layer(x, word, kernel, other, result, bias)
    if len(words) == 2 and is_matmul(words[0], words[1], result):
        y = ops.matmul(*operands)
    else:
        y = by_equation(f"{','.join(words)}->{result}", operands)
    return y if bias is None else y + bias


def by_equation(equation: str, operands: Sequence[Operand]) -> Tensor:
    """`keras.ops.einsum`; of integers, for which it takes float32 that holds them up to 2**24, in float64."""
    if "float" in operands[0].dtype:
        return ops.einsum(equation, *operands)
    return cast(ops.einsum(equation, *(cast(x, "float64") for x in operands)), "int64")


def by_layer(
    x: Tensor, word: str, kernel: Weight, other: str, result: str, bias: Weight | None
) -> Tensor:
    """`Dense` over the last dimension, else `EinsumDense`.

    A product without a sum is a plain one: as an einsum TensorFlow takes ten times as long.
    """
    if set(other) <= set(word) and result == word:
        y = x * reshape_along(kernel, [word.index(letter) for letter in other], x.ndim)
        return y if bias is None else y + bias
    if len(other) == 2 and word[-1] in other:
        free = other.replace(word[-1], "")
        if result == word[:-1] + free:
            return dense(x, kernel if other[1] == free else kernel.transpose(1, 0), bias)
    sizes = {**dict(zip(other, kernel.shape, strict=True)), **dict(zip(word, x.shape, strict=True))}
    layer = layers.EinsumDense(
        equation=f"{word},{other}->{result}",
        output_shape=tuple(sizes[letter] for letter in result[1:]),
        bias_axes=None if bias is None else result[-bias.ndim],
    )
    return call(layer, x, kernel=kernel, bias=bias)


def is_matmul(left: str, right: str, result: str) -> bool:
    """Whether an equation is `...ij,...jk->...ik` or `...ij,jk->...ik`."""
    if min(len(left), len(right), len(result)) < 2 or left[-1] != right[-2]:
        return False
    batch = left[:-2]
    return (
        right[:-2] in (batch, "")
        and result == batch + left[-2] + right[-1]
        and left[-2] != right[-1]
    )
