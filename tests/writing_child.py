"""A process that writes to one path again and again, until it is killed.

    python writing_child.py KIND PATH

It prints a line when it has written for the first time.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

BLOCKS = 40


def write_file(path: Path, number: int) -> None:
    """Write a megabyte and its checksum, in pieces as a zip file grows."""
    block = hashlib.sha256(str(number).encode()).digest() * 800
    with path.open("wb") as file:
        for _ in range(BLOCKS):
            file.write(block)
            file.flush()
        file.write(hashlib.sha256(block * BLOCKS).digest())


def is_whole(path: Path) -> bool:
    data = path.read_bytes()
    return hashlib.sha256(data[:-32]).digest() == data[-32:]


def save_file(path: Path) -> Iterator[None]:
    from torch2keras.runtime.atomic_writing import write_whole

    for number in itertools.count():
        with write_whole(path) as (place,):
            write_file(place, number)
        yield


def save_folder(path: Path) -> Iterator[None]:
    from torch2keras.runtime.atomic_writing import write_whole

    for number in itertools.count():
        with write_whole(path) as (place,):
            place.mkdir()
            for name in ("a", "b", "c"):
                write_file(place / name, number)
        yield


def save_keras(path: Path) -> Iterator[None]:
    import keras

    from torch2keras.keras_model.saving import save_model

    inputs = keras.Input((131,))
    model = keras.Model(inputs, keras.layers.Dense(257)(inputs))
    while True:
        save_model(model, path)
        yield


def save_converted(path: Path) -> Iterator[None]:
    """By the public way: weights are saved, files for other runtimes exported and run."""
    import torch

    import torch2keras as t2k

    converted = t2k.convert(torch.nn.Conv1d(3, 5, 7), torch.randn(2, 3, 11), verify=False)
    is_weights = path.suffix in (".h5", ".safetensors")
    while True:
        if is_weights:
            converted.save(path)
        else:
            converted.export(path)
        yield


SAVES: dict[str, Callable[[Path], Iterator[None]]] = {
    "file": save_file,
    "folder": save_folder,
    "keras": save_keras,
    "weights.h5": save_converted,
    "safetensors": save_converted,
    "tflite": save_converted,
    "onnx": save_converted,
    "saved_model": save_converted,
}


def main(kind: str, path: str) -> None:
    for number, _ in enumerate(SAVES[kind](Path(path))):
        if number == 0:
            sys.stdout.write("ready\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
