"""What Keras users do with a model, tried with the files of a folder; run by backends_table.py.

    KERAS_BACKEND=jax python tools/backend_checks.py FOLDER NET

It needs Keras and NumPy alone, and prints a JSON line for each thing that was tried: whether it
went, and what was seen.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=8")

import keras
import numpy as np

RATE = 0.01


class NotTriedError(Exception):
    """Says why something has no meaning here."""


class Net:
    """One net: its files, an input, PyTorch's outputs and how far ours may be from these."""

    def __init__(self, folder: Path, name: str) -> None:
        self.file, self.mixed = folder / f"{name}.keras", folder / f"{name}.mixed.keras"
        data = np.load(folder / f"{name}.npz")
        self.x, self.exact, self.bound = data["x"], data["exact"], float(data["bound"])

    def load(self) -> Any:
        """Return the model of the file, as it was saved."""
        return keras.saving.load_model(self.file, safe_mode=True)

    def require_equal(self, ours: Any, factor: float = 1.0) -> str:
        """Return how far an output is from PyTorch's, as a share of the largest number."""
        error = float(np.abs(to_numpy(ours).astype("float64") - self.exact).max())
        largest = float(np.abs(self.exact).max())
        if not error <= self.bound * factor:
            message = f"{error / largest:.1e} of the largest number off"
            raise AssertionError(message)
        return f"{error / largest:.0e}"

    def draw_targets(self) -> np.ndarray:
        """Return what is to be learnt."""
        drawn: np.ndarray = np.random.default_rng(0).standard_normal(self.exact.shape, "float32")
        return drawn


def to_numpy(tensor: Any) -> np.ndarray:
    """Return a tensor of any backend as an array of float32."""
    array: np.ndarray = keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))
    return array


def train(model: Any, net: Net, *, epochs: int = 3, **options: Any) -> list[float]:
    """Return the losses of some epochs by SGD in batches of four."""
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse", **options)
    told = model.fit(
        net.x, net.draw_targets(), batch_size=4, epochs=epochs, shuffle=False, verbose=0
    )
    losses: list[float] = told.history["loss"]
    if not (np.isfinite(losses).all() and losses[-1] < losses[0]):
        message = f"the loss goes {losses}"
        raise AssertionError(message)
    return losses


def check_outputs(net: Net) -> str:
    """The outputs are PyTorch's (tier N)."""
    return net.require_equal(net.load()(net.x, training=False))


def check_predict(net: Net) -> str:
    """`predict` gives them too, in batches."""
    return net.require_equal(net.load().predict(net.x, batch_size=3, verbose=0))


def check_fit(net: Net) -> str:
    """`fit` makes the loss fall."""
    losses = train(net.load(), net)
    return f"{losses[0]:.3f} to {losses[-1]:.3f}"


def check_evaluate(net: Net) -> str:
    """`evaluate` gives the loss that follows from the outputs."""
    model, targets = net.load(), net.draw_targets()
    model.compile(loss="mse")
    loss = model.evaluate(net.x, targets, batch_size=4, verbose=0)
    wanted = float(np.square(net.exact - targets).mean())
    np.testing.assert_allclose(loss, wanted, rtol=1e-4)
    return ""


def check_jit(net: Net) -> str:
    """With `jit_compile=True` it predicts the same, and its losses are those without it."""
    model = net.load()
    model.compile(jit_compile=True)
    told = net.require_equal(model.predict(net.x, verbose=0), 4)
    losses = train(model, net, epochs=2, jit_compile=True)
    plain = train(net.load(), net, epochs=2, jit_compile=False)
    np.testing.assert_allclose(losses, plain, rtol=1e-4)
    return told


def check_mixed(net: Net) -> str:
    """A file of dtype="mixed_bfloat16" gives the numbers to its precision, and trains."""
    model = keras.saving.load_model(net.mixed, safe_mode=True)
    error = np.abs(to_numpy(model(net.x, training=False)) - net.exact).max()
    share = float(error / np.abs(net.exact).max())
    if not share <= 16 * 2.0**-7:
        message = f"{share:.1e} of the largest number off"
        raise AssertionError(message)
    train(model, net)
    return f"{share:.0e}"


def check_clone(net: Net) -> str:
    """`clone_model` makes the same model, which takes its weights."""
    model = net.load()
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    return net.require_equal(clone(net.x, training=False))


def check_file(net: Net) -> str:
    """Saved by this backend and loaded again it is the same."""
    with tempfile.TemporaryDirectory() as folder:
        model = net.load()
        model.save(f"{folder}/again.keras")
        again = keras.saving.load_model(f"{folder}/again.keras")
    return net.require_equal(again(net.x, training=False))


def find_layers(model: Any) -> list[Any]:
    """Return the layers that have weights."""
    return [layer for layer in model.layers if layer.weights]


def check_transfer_learning(net: Net) -> str:
    """Head cut off, layers frozen by name, a new head trained: only that one moves."""
    model = net.load()
    for layer in find_layers(model):
        model.get_layer(layer.name).trainable = False
    body = keras.Model(model.inputs, find_layers(model)[-1].input)
    inputs = keras.Input(net.x.shape[1:], dtype=str(model.inputs[0].dtype))
    y = body(inputs, training=False)
    y = keras.layers.GlobalAveragePooling1D()(keras.layers.Reshape((-1, y.shape[-1]))(y))
    tuned = keras.Model(inputs, keras.layers.Dense(2, name="new_head")(y))
    before = [to_numpy(weight) for weight in body.weights]
    tuned.compile(optimizer="sgd", loss="mse")
    tuned.fit(net.x, np.ones((len(net.x), 2), "float32"), verbose=0)
    for weight, old in zip(body.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(weight), old)
    assert len(tuned.trainable_weights) == 2
    return f"{len(before)} weights stay"


def check_lora(net: Net) -> str:
    """`enable_lora` leaves the outputs, and training moves the small matrices alone."""
    model = net.load()
    layers = [layer for layer in find_layers(model) if hasattr(layer, "enable_lora")]
    for layer in find_layers(model):
        layer.trainable = layer in layers
    for layer in layers:
        layer.enable_lora(2)
    net.require_equal(model(net.x, training=False))
    if not layers:
        message = "no layer has it"
        raise NotTriedError(message)
    train(model, net)
    return f"{len(layers)} layers"


def check_quantize(net: Net) -> str:
    """`quantize("int8")` leaves the outputs to two decimals."""
    model = net.load()
    model.quantize("int8")
    error = np.abs(to_numpy(model(net.x, training=False)) - net.exact).max()
    share = float(error / np.abs(net.exact).max())
    if not share <= 0.1:
        message = f"{share:.1e} of the largest number off"
        raise AssertionError(message)
    return f"{share:.0e}"


def check_features(net: Net) -> str:
    """`get_layer` gives what a layer in the middle computes."""
    model = net.load()
    layers = find_layers(model)
    name = layers[len(layers) // 2].name
    features = keras.Model(model.inputs, model.get_layer(name).output)
    shape = to_numpy(features(net.x, training=False)).shape
    return f"{name} {list(shape)}"


def check_summary(net: Net) -> str:
    """`summary` names every layer."""
    model, lines = net.load(), list[str]()
    model.summary(print_fn=lambda text, **_: lines.append(text), line_length=200)
    for layer in find_layers(model):
        assert layer.name in "\n".join(lines), layer.name
    return ""


def check_plot(net: Net) -> str:
    """`plot_model` draws it, with the names of all layers and ops."""
    model = net.load()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        try:
            keras.utils.plot_model(model, f"{folder}/net.png", show_layer_names=True)
        except ImportError as error:
            message = "pydot or graphviz is not installed"
            raise NotTriedError(message) from error
        assert Path(f"{folder}/net.png").stat().st_size > 0
    drawn = keras.utils.model_to_dot(model, show_layer_names=True).to_string()
    for operation in model.operations:
        assert f">{operation.name}<" in drawn, operation.name
    return f"{len(model.operations)} names"


def check_data_parallel(net: Net) -> str:
    """`keras.distribution.DataParallel` over eight devices: the loss is that of one."""
    alone = _train_alone(net)
    return _train_together(net, keras.distribution.DataParallel(), alone)


def check_model_parallel(net: Net) -> str:
    """`ModelParallel` over two times four devices: the loss is that of one."""
    alone = _train_alone(net)
    devices = keras.distribution.list_devices()
    mesh = keras.distribution.DeviceMesh((2, 4), ["batch", "model"], devices)
    layout = keras.distribution.LayoutMap(mesh)
    divided = 0
    for variable in net.load().weights:
        if variable.ndim > 1 and variable.shape[-1] % 4 == 0:
            layout[f"^{re.escape(variable.path)}$"] = (*[None] * (variable.ndim - 1), "model")
            divided += 1
    parallel = keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
    return f"{_train_together(net, parallel, alone)}, {divided} weights divided"


def _train_alone(net: Net) -> list[float]:
    if keras.backend.backend() != "jax":
        message = "keras.distribution is for JAX"
        raise NotTriedError(message)
    return _train_whole(net)


def _train_whole(net: Net) -> list[float]:
    """Return the losses of epochs of one batch."""
    model = net.load()
    model.compile(optimizer=keras.optimizers.SGD(RATE), loss="mse")
    told = model.fit(net.x, net.draw_targets(), batch_size=8, epochs=3, shuffle=False, verbose=0)
    losses: list[float] = told.history["loss"]
    return losses


def _train_together(net: Net, distribution: Any, alone: list[float]) -> str:
    keras.distribution.set_distribution(distribution)
    try:
        losses = _train_whole(net)
    finally:
        keras.distribution.set_distribution(None)
    np.testing.assert_allclose(losses, alone, rtol=1e-4)
    return f"{max(abs(a / b - 1) for a, b in zip(losses, alone, strict=True)):.0e}"


CHECKS: Mapping[str, Callable[[Net], str]] = {
    "outputs equal (tier N)": check_outputs,
    "`predict`": check_predict,
    "`fit`": check_fit,
    "`evaluate`": check_evaluate,
    "`jit_compile=True`": check_jit,
    'a file of `dtype="mixed_bfloat16"`': check_mixed,
    "`clone_model`": check_clone,
    "saved and loaded again": check_file,
    "transfer learning": check_transfer_learning,
    "LoRA (`enable_lora`)": check_lora,
    '`quantize("int8")`': check_quantize,
    "`get_layer`, features": check_features,
    "`summary`": check_summary,
    "`plot_model`": check_plot,
    "`DataParallel`, 8 devices": check_data_parallel,
    "`ModelParallel`, 2 x 4 devices": check_model_parallel,
}
"""What is tried, by what the table calls it."""


def main(folder: str, name: str) -> None:
    """Try everything with a net, and print what came of it."""
    net = Net(Path(folder), name)
    for what, check in CHECKS.items():
        keras.utils.set_random_seed(0)
        try:
            answer = {"what": what, "went": True, "told": check(net)}
        except NotTriedError as error:
            answer = {"what": what, "went": None, "told": str(error)}
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is asked for
            first = str(error).strip().partition("\n")[0]
            answer = {"what": what, "went": False, "told": f"{type(error).__name__}: {first}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
