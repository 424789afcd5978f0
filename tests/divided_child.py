"""Saved nets over eight devices that are simulated, by Keras alone: neither PyTorch nor us.

    KERAS_BACKEND=jax python divided_child.py FOLDER NAME...

For each NAME the folder has `NAME.keras`, `NAME.json` (the layouts) and `NAME.npz` (an input, the
targets). Printed is, in a line of JSON, what came out on one device and on all: outputs, losses of
training, and of each variable and slot of the optimizer the shape that a device holds.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import keras
import numpy as np

STEPS = 10


def run_net(folder: Path, name: str) -> dict[str, Any]:
    """Return what a net gives alone, and divided over two times four devices."""
    keras.distribution.set_distribution(None)
    told = {"alone": use_model(folder, name)}
    mesh = keras.distribution.DeviceMesh(
        (2, 4), ("batch", "model"), keras.distribution.list_devices()
    )
    layout_map = keras.distribution.LayoutMap(mesh)
    for path, axes in json.loads((folder / f"{name}.json").read_text("utf-8")).items():
        layout_map[path] = tuple(axes)
    keras.distribution.set_distribution(
        keras.distribution.ModelParallel(layout_map=layout_map, batch_dim_name="batch")
    )
    told["divided"] = use_model(folder, name)
    return told


def use_model(folder: Path, name: str) -> dict[str, Any]:
    """Load a model, run it and train it."""
    model = keras.saving.load_model(folder / f"{name}.keras")
    held = {variable.path: held_shape(variable) for variable in model.variables}
    arrays = np.load(folder / f"{name}.npz")
    outputs = model.predict(arrays["x"], batch_size=len(arrays["x"]), verbose=0)
    model.compile(keras.optimizers.SGD(0.02, momentum=0.9), loss="mse")
    history = model.fit(
        arrays["x"],
        arrays["targets"],
        batch_size=len(arrays["x"]),
        epochs=STEPS,
        shuffle=False,
        verbose=0,
    )
    slots = {}
    for variable, slot in zip(
        model.trainable_variables, model.optimizer.variables[2:], strict=True
    ):
        slots[variable.path] = held_shape(slot)
    return {
        "outputs": np.asarray(outputs).tolist(),
        "losses": history.history["loss"],
        "held": held,
        "slots": slots,
        "held_after": {variable.path: held_shape(variable) for variable in model.variables},
    }


def held_shape(variable: keras.Variable) -> list[int]:
    """Return the shape of what each device holds of a variable."""
    array = variable.value
    return list(array.sharding.shard_shape(array.shape))


if __name__ == "__main__":
    for net in sys.argv[2:]:
        sys.stdout.write(json.dumps({"name": net, **run_net(Path(sys.argv[1]), net)}) + "\n")
    assert "torch" not in sys.modules, "stock Keras needs no PyTorch"
    assert "torch2keras" not in sys.modules, "a saved model needs none of us"
