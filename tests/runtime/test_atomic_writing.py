"""What stands at a path is whole: after errors, kills, races and planted links."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import onnxruntime
import pytest
import safetensors.numpy
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

import writing_child
from torch2keras.runtime import atomic_writing
from torch2keras.runtime.atomic_writing import SUFFIX, remove_unfinished, write_whole

KILLS = int(os.environ.get("T2K_KILLS", "50"))
"""How many writers of each public format are killed."""


def write(path: Path, text: str) -> None:
    with write_whole(path) as (place,):
        place.write_text(text)


def write_folder(path: Path, text: str) -> None:
    with write_whole(path) as (place,):
        place.mkdir()
        (place / text).write_text(text)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_and_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "model"
    umask = os.umask(0o027)
    try:
        write(path, "first")
        assert path.stat().st_mode & 0o777 == 0o640
    finally:
        os.umask(umask)
    path.chmod(0o604)
    write(path, "second")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("second", 0o604)
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_folder_takes_the_place_of_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanges: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(atomic_writing, "_exchange", lambda *_: False)
    path = tmp_path / "model"
    for text in ("first", "second", "third"):
        write_folder(path, text)
        assert names(path) == [text]
    assert names(tmp_path) == ["model"]


@pytest.mark.parametrize("error", [OSError, RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_stood_there(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "model"
    path.write_text("old")
    with pytest.raises(error), write_whole(path) as (place,):
        place.write_text("half")
        raise error
    assert (path.read_text(), names(tmp_path)) == ("old", ["model"])


def test_several_take_their_places_together(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("lock", "new", "old")]
    for text in ("first", "second"):
        with write_whole(*paths) as places:
            for place in places:
                place.write_text(text)
        assert [path.read_text() for path in paths] == [text] * 3
    assert names(tmp_path) == ["lock", "new", "old"]


def _write_text(path: Path) -> None:
    path.write_text("old")


def _make_folder(path: Path) -> None:
    path.mkdir()
    (path / "part").write_text("old")


def _link(path: Path) -> None:
    path.symlink_to("nowhere")


STANDING: Mapping[str, Callable[[Path], None]] = {
    "nothing": lambda _: None,
    "a file": _write_text,
    "a folder": _make_folder,
    "a link": _link,
}


def describe(path: Path) -> object:
    if path.is_symlink():
        return path.readlink()
    if path.is_dir():
        return {part.name: part.read_text() for part in path.iterdir()}
    return path.read_text() if path.exists() else None


@pytest.mark.parametrize("hard_links", [True, False])
@pytest.mark.parametrize("exchanges", [True, False])
@pytest.mark.parametrize("kind", STANDING)
def test_where_one_cannot_take_its_place_none_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, exchanges: bool, hard_links: bool
) -> None:
    if not exchanges:
        monkeypatch.setattr(atomic_writing, "_exchange", lambda *_: False)
    if not hard_links:
        monkeypatch.delattr(os, "link")
        monkeypatch.setattr(os, "link", _refuse, raising=False)
    first, second = tmp_path / "first", tmp_path / "second"
    STANDING[kind](first)
    second.mkdir()
    before = describe(first)
    with pytest.raises(OSError), write_whole(first, second) as (one, _):  # noqa: PT011 - by system
        one.mkdir() if kind == "a folder" else one.write_text("new")
        # Of the second nothing is written, so that it fails when the first is in its place.
        monkeypatch.setattr(atomic_writing, "_flush_all", lambda _: None)
        monkeypatch.setattr(atomic_writing, "_keep_mode", lambda *_: None)
    assert describe(first) == before
    assert second.is_dir()


def _refuse(*_: object, **__: object) -> None:
    raise PermissionError


def test_a_planted_link_is_not_followed(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "model"
    victim.write_text("theirs")
    path.symlink_to(victim)
    for name in (f".model.{os.getpid()}.keras", ".model.guess" + SUFFIX):
        (tmp_path / name).symlink_to(victim)
    write(path, "ours")
    assert (victim.read_text(), path.read_text(), path.is_symlink()) == ("theirs", "ours", False)


def test_names_cannot_be_foreseen_and_others_may_not_enter(tmp_path: Path) -> None:
    seen = set()
    for _ in range(5):
        with write_whole(tmp_path / "model") as (place,):
            place.write_text("x")
            folder = place.parents[1]
            seen.add(folder.name)
            assert folder.stat().st_mode & 0o777 == 0o700
    assert len(seen) == 5


def test_what_others_are_writing_stays(tmp_path: Path) -> None:
    path = tmp_path / "model"
    with write_whole(path) as (one,):
        one.write_text("one")
        write(path, "two")
        assert path.read_text() == "two"
    assert (path.read_text(), names(tmp_path)) == ("one", ["model"])


def test_what_is_left_behind_is_removed_and_nothing_else(tmp_path: Path) -> None:
    left = tmp_path / f".model.x{SUFFIX}"
    (left / "new").mkdir(parents=True)
    (left / "lock").touch()
    empty = tmp_path / f".model.y{SUFFIX}"
    empty.mkdir()
    strange = [f".other.x{SUFFIX}", ".model.x", f"model{SUFFIX}", f".model.file{SUFFIX}"]
    for name in strange:
        (tmp_path / name).touch()
    unlocked = tmp_path / f".model.z{SUFFIX}"
    (unlocked / "theirs").mkdir(parents=True)
    write(tmp_path / "model", "x")
    assert names(tmp_path) == sorted(["model", unlocked.name, *strange])


def test_a_writer_whose_empty_folder_is_removed_makes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, path = os.open, tmp_path / "model"

    def remove_first(file: Path, *rest: int) -> int:
        monkeypatch.setattr(os, "open", opened)
        remove_unfinished(path)
        return opened(file, *rest)

    monkeypatch.setattr(os, "open", remove_first)
    write(path, "x")
    assert names(tmp_path) == ["model"]


# Kills and races.


@contextmanager
def child(kind: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes to the path again and again."""
    command = [sys.executable, writing_child.__file__, kind, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            process.kill()


def whole_keras(path: Path) -> bool:
    with zipfile.ZipFile(path) as file:
        return file.testzip() is None and "model.weights.h5" in file.namelist()


def whole_folder(path: Path) -> bool:
    parts = [path / name for name in ("a", "b", "c")]
    same = len({part.read_bytes() for part in parts}) == 1
    return same and all(map(writing_child.is_whole, parts))


WHOLE: Mapping[str, Callable[[Path], bool]] = {
    "file": writing_child.is_whole,
    "folder": whole_folder,
    "keras": whole_keras,
}


def whole_h5(path: Path) -> bool:
    with h5py.File(path) as file:
        found: list[object] = []
        file.visititems(lambda _, item: found.append(item[()] if hasattr(item, "shape") else None))
    return any(array is not None for array in found)


def whole_saved_model(path: Path) -> bool:
    served = tf.saved_model.load(str(path)).signatures["serve"]
    (name,) = served.structured_input_signature[1]
    return bool(served(**{name: tf.zeros((1, 11, 3))}))


def whole_onnx(path: Path) -> bool:
    return bool(onnxruntime.InferenceSession(path).get_inputs())


def whole_tflite(path: Path) -> bool:
    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.invoke()
    return bool(interpreter.get_signature_list())


FORMATS: Mapping[str, tuple[Callable[[Path], bool], float]] = {
    "weights.h5": (whole_h5, 0.2),
    "safetensors": (lambda path: bool(safetensors.numpy.load_file(path)), 0.2),
    "tflite": (whole_tflite, 2.0),
    "onnx": (whole_onnx, 2.0),
    "saved_model": (whole_saved_model, 2.0),
}
"""How a file of each public format is known to be whole, and about how long it takes to write."""


def kill_once(kind: str, path: Path, delay: float) -> bool:
    """Kill a writer after so many seconds; return whether it left something behind."""
    is_whole = WHOLE[kind] if kind in WHOLE else FORMATS[kind][0]
    with child(kind, path) as process:
        time.sleep(delay)
        process.kill()
        process.wait()
    assert is_whole(path)
    left = len(names(path.parent)) > 1
    next(writing_child.SAVES[kind](path))
    assert is_whole(path)
    assert names(path.parent) == [path.name]
    return left


def count_left(kind: str, tmp_path: Path, kills: int) -> int:
    generator = random.Random(0)
    path = tmp_path / f"model.{kind}"
    return sum(kill_once(kind, path, generator.uniform(0, 0.2)) for _ in range(kills))


@pytest.mark.parametrize(("kind", "kills"), [("file", 4), ("folder", 4), ("keras", 1)])
def test_kills(tmp_path: Path, kind: str, kills: int) -> None:
    count_left(kind, tmp_path, kills)


@pytest.mark.slow
@pytest.mark.parametrize("kind", WHOLE)
def test_sixty_kills(tmp_path: Path, kind: str) -> None:
    assert count_left(kind, tmp_path, 60) > 10  # else none of them came at a bad moment


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_fifty_kills_of_each_format(tmp_path: Path, kind: str) -> None:
    generator, path = random.Random(0), tmp_path / f"model.{kind}"
    if kind == "saved_model":
        path = tmp_path / "model"
    longest = FORMATS[kind][1]
    left = [kill_once(kind, path, generator.uniform(0, longest)) for _ in range(KILLS)]
    assert KILLS < 50 or any(left)  # else none of them came at a bad moment


def race(kind: str, path: Path, processes: int, seconds: float) -> None:
    """Read what stands at a path while processes and threads write to it."""
    with ExitStack() as stack:
        for _ in range(processes):
            stack.enter_context(child(kind, path))
        with ThreadPoolExecutor(2) as pool:
            saves = [writing_child.SAVES[kind](path) for _ in range(2)]
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                list(pool.map(next, saves))
                if kind != "folder":  # whose parts are opened one by one
                    assert WHOLE[kind](path)
    assert WHOLE[kind](path)
    next(writing_child.SAVES[kind](path))
    assert names(path.parent) == [path.name]


@pytest.mark.parametrize(("kind", "processes"), [("file", 2), ("folder", 2), ("keras", 1)])
def test_races(tmp_path: Path, kind: str, processes: int) -> None:
    race(kind, tmp_path / f"model.{kind}", processes, 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("kind", WHOLE)
def test_twenty_four_races(tmp_path: Path, kind: str, number: int) -> None:
    race(kind, tmp_path / f"model.{kind}", 1 + number % 3, 1.0)
