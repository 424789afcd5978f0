"""What a layer returns, asked without weights, is what it returns."""

from __future__ import annotations

import keras
import pytest

from torch2keras.keras_model.output_spec import infer_output

X = keras.KerasTensor((None, 7, 3), "float32")

# the layer, and what it is called on
LAYERS = {
    "Dense": (lambda: keras.layers.Dense(5), [X], {}),
    "in another dtype": (lambda: keras.layers.Dense(5, dtype="float16"), [X], {}),
    "Conv1D": (lambda: keras.layers.Conv1D(5, 3, strides=2), [X], {}),
    "several results": (lambda: keras.layers.LSTM(5, return_state=True), [X], {}),
    "masked": (
        lambda: keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True)),
        [X],
        {"mask": keras.KerasTensor((None, 7), "bool")},
    ),
    "in reverse": (lambda: keras.layers.ReversibleEmbedding(11, 3), [X], {"reverse": True}),
    "attention": (lambda: keras.layers.MultiHeadAttention(2, 3), [X, X], {}),
    "scores too": (
        lambda: keras.layers.MultiHeadAttention(2, 3),
        [X, X],
        {"return_attention_scores": True},
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_is_what_the_layer_returns(name: str) -> None:
    make, inputs, kwargs = LAYERS[name]
    asked = make()
    found = infer_output(asked, inputs, kwargs)
    real = make()(*(keras.Input(batch_shape=x.shape, dtype=x.dtype) for x in inputs), **kwargs)
    assert described(found) == described(real)


def described(result) -> list[tuple]:
    results = result if isinstance(result, list | tuple) else [result]
    return [(tuple(r.shape), keras.backend.standardize_dtype(r.dtype)) for r in results]


def test_no_weights_are_made() -> None:
    layer = keras.layers.Dense(5)
    infer_output(layer, [X], {})
    assert not layer.built
    assert not layer.weights


@pytest.mark.parametrize(
    "layer", [keras.layers.Flatten(), keras.layers.Reshape((21,)), keras.layers.ZeroPadding1D(1)]
)
def test_layers_that_move_elements_keep_integers(layer: keras.Layer) -> None:
    whole = keras.KerasTensor((None, 7, 3), "int64")
    assert infer_output(layer, [whole], {}).dtype == "int64"


def test_what_keras_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        infer_output(keras.layers.Conv1D(5, 11), [X], {})
