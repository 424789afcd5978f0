"""Write a model, or its code, so that what stood there is replaced only by a complete one."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from torch2keras.errors import OutputError, SourceError, list_names
from torch2keras.runtime.atomic_writing import write_whole
from torch2keras.runtime.paths import find_system_error
from torch2keras.runtime.stored_records import list_stored_records
from torch2keras.runtime.typed_errors import describe_exception
from torch2keras.workarounds.weights_in_memory import hold_weights_on_disk, is_large

if TYPE_CHECKING:  # the command line asks whether it may write before Keras is there
    import keras
    import torch


FACTS_MEMBER = "torch2keras.json"
"""The file in a `.keras` archive that says what the model itself cannot."""


TENSORS_MEMBER = "torch2keras.safetensors"
"""The file in it that has tensors of the module's which no Keras weight holds."""


METADATA_MEMBER = "metadata.json"
CONFIG_MEMBER = "config.json"
SHARED_OBJECT = "shared_object_id"
"""Where Keras writes its version and the date."""


UNDATED = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip archive has (APPNOTE.TXT 4.4.6)."""


def save_model(
    model: keras.Model,
    path: Path,
    facts: Mapping[str, Any] | None = None,
    tensors: Mapping[str, torch.Tensor] | None = None,
    *,
    reproducible: bool = False,
) -> Path:
    """Save to a `.keras` file, which takes the place of what stood there when it is complete.

    The file holds `facts` beside the model, as JSON, and `tensors` as safetensors; Keras passes
    over both. With `reproducible` no date is in it: equal models are equal bytes.

    Raises OutputError for another suffix, a folder, a folder that is missing, and whatever else
    keeps Keras from writing.
    """
    require_writable(path)
    with refuse_failed_write(path), write_whole(path) as (place,):
        _write_archive(model, place)
        if facts is not None:
            with zipfile.ZipFile(place, "a") as archive:
                archive.writestr(FACTS_MEMBER, json.dumps(facts, indent=2))
                if tensors:
                    archive.writestr(TENSORS_MEMBER, pack_tensors(tensors))
        if reproducible:
            _drop_dates(place)
    return path


def _write_archive(model: keras.Model, place: Path) -> None:
    """Write Keras's own file; the weights of a large model lie beside it first."""
    from torch2keras.keras_model.weights_file import require_free_disk

    if is_large(model):
        require_free_disk(model, place.parent, copies=2)
    with hold_weights_on_disk(model):
        model.save(place)


def read_facts(path: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return what was written beside the model: in its `.keras` file, or in its folder of shards.

    Raises SourceError where there is no such file or folder, or none of ours.
    """
    try:
        if path.is_dir():
            members = {file.name: file for file in path.iterdir() if not file.is_symlink()}
            facts = dict(json.loads(members[FACTS_MEMBER].read_bytes()))
            held = members[TENSORS_MEMBER].read_bytes() if TENSORS_MEMBER in members else b""
        else:
            list_stored_records(path, path.stat().st_size)
            with zipfile.ZipFile(path) as archive:
                facts = dict(json.loads(archive.read(FACTS_MEMBER)))
                has_tensors = TENSORS_MEMBER in archive.namelist()
                held = archive.read(TENSORS_MEMBER) if has_tensors else b""
        tensors = _unpack(held) if held else {}
    except Exception as error:  # of a file that is none, damaged, or of Keras alone
        raise SourceError(
            f"{path} is no model that torch2keras has saved",
            [
                ("error", describe_exception(error)),
                ("next", "name the file that converted.save wrote, not what Keras saved later"),
            ],
        ) from error
    return facts, tensors


def pack_tensors(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Return the bytes of a file of tensors."""
    from safetensors.torch import save

    return save(dict(tensors))


def _unpack(content: bytes) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    return load(content)


def _drop_dates(path: Path) -> None:
    """Write an archive of Keras's anew, without the date that it was saved at.

    Objects that several configurations share have their addresses in memory as numbers there: they
    are counted instead.
    """
    undated = path.with_name(f"{path.name}.undated")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(undated, "w") as new:
        for member in old.infolist():
            entry = zipfile.ZipInfo(member.filename, UNDATED)
            with old.open(member) as source, new.open(entry, "w", force_zip64=True) as target:
                if member.filename == METADATA_MEMBER:
                    metadata = json.loads(source.read())
                    metadata.pop("date_saved", None)
                    target.write(json.dumps(metadata).encode())
                elif member.filename == CONFIG_MEMBER:
                    target.write(_count_shared_objects(source.read()).encode())
                else:
                    shutil.copyfileobj(source, target)
    undated.replace(path)


def _count_shared_objects(config: bytes) -> str:
    """Return a configuration as JSON, its shared objects numbered in the order of appearance."""
    numbers: dict[int, int] = {}

    def exchange(item: dict[str, Any]) -> dict[str, Any]:
        address = item.get(SHARED_OBJECT)
        if isinstance(address, int):
            item[SHARED_OBJECT] = numbers.setdefault(address, len(numbers) + 1)
        return item

    return json.dumps(json.loads(config, object_hook=exchange))


WeightsFormat = Literal["h5", "safetensors"]
"""The kinds of files of weights alone."""


WEIGHTS_SUFFIXES: Mapping[WeightsFormat, str] = {"h5": ".weights.h5", "safetensors": ".safetensors"}
"""How their names end; Keras's own must end so."""


def find_format(path: Path) -> WeightsFormat | None:
    """Return which file of weights alone a path names, if any."""
    for kind, suffix in WEIGHTS_SUFFIXES.items():
        if path.name.endswith(suffix):
            return kind
    return None


def weights_path(path: Path, kind: WeightsFormat = "h5") -> Path:
    """Return the file of weights beside a file of source code: `net.weights.h5` for `net.py`."""
    return path.with_suffix(WEIGHTS_SUFFIXES[kind])


Writer = Callable[[Path], None]
"""What writes a model's weights to a new file."""


def save_weights(write: Writer, path: Path) -> Path:
    """Write weights alone, which take the place of what stood there when they are complete.

    Raises OutputError as `save_model` does.
    """
    require_writable(path)
    with refuse_failed_write(path), write_whole(path) as (place,):
        write(place)
    return path


def save_text(text: str, path: Path) -> Path:
    """Write a text, which takes the place of what stood there when it is complete.

    Raises OutputError for whatever keeps it from being written.
    """
    with refuse_failed_write(path), write_whole(path) as (place,):
        place.write_text(text, encoding="utf-8")
    return path


def save_texts(texts: Mapping[str, str], folder: Path) -> list[Path]:
    """Write texts to files of a folder, which is made where it is missing.

    Raises OutputError where the folder cannot be made, or a file cannot be written.
    """
    require_parent(folder)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        step = "name another folder"
        raise OutputError(f"{folder} is no folder", [("next", step)]) from error
    return [save_text(text, folder / name) for name, text in texts.items()]


def save_source(write: Writer, source: str, path: Path, kind: WeightsFormat = "h5") -> Path:
    """Write source code, and the weights beside it: both take their places when both are complete.

    Raises OutputError as `save_model` does.
    """
    weights = weights_path(path, kind)
    require_writable(path)
    require_plain_name(weights)
    with refuse_failed_write(path), write_whole(path, weights) as (place, weights_place):
        place.write_text(source, encoding="utf-8")
        write(weights_place)
    return path


@contextmanager
def refuse_failed_write(path: Path) -> Iterator[None]:
    """Raise OutputError for whatever keeps a file from being written."""
    try:
        yield
    except OutputError:
        raise
    except Exception as error:  # on a full disk, Keras raises RuntimeError too
        raise OutputError(
            f"cannot write {path}: {find_system_error(error) or error}",
            [
                ("error", type(error).__name__),
                ("next", "check the permissions and the free space there"),
            ],
        ) from error


SUFFIX = ".keras"

SOURCE_SUFFIX = ".py"

REPORT_SUFFIXES = (".html", ".json", ".txt", ".md")


def require_writable(path: Path) -> None:
    """Check that a model can be saved there, before the work that it takes to make it.

    Raises OutputError for another suffix, a folder, a folder that is missing, one that cannot be
    written to, and a name that the system does not take.
    """
    require_plain_name(path)
    if path.suffix not in (SUFFIX, SOURCE_SUFFIX) and find_format(path) is None:
        known = [SUFFIX, SOURCE_SUFFIX, *WEIGHTS_SUFFIXES.values()]
        raise OutputError(
            f"{path} does not end in {list_names(known)}",
            [("next", f"name it {path.with_suffix(SUFFIX).name}")],
        )
    require_parent(path)


def require_shards_place(folder: Path) -> None:
    """Raise OutputError where a path is no name for a folder of shards, or holds anything else."""
    if not folder.is_dir():
        require_plain_name(folder)
    if folder.suffix in (".keras", ".py", ".h5", ".safetensors"):
        step = f"name a folder: {folder.with_suffix('').name}"
        raise OutputError(f"max_shard_size makes several files of {folder}", [("next", step)])
    require_parent(folder)
    is_taken = folder.exists() or folder.is_symlink()
    is_ours = folder.is_dir() and not folder.is_symlink() and (folder / FACTS_MEMBER).is_file()
    is_empty = folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())
    if is_taken and not is_ours and not is_empty:
        raise OutputError(f"{folder} holds something else", [("next", "name a new folder")])


def require_report_path(path: Path | None) -> None:
    """Raise OutputError where a report that is asked for cannot be written, before it is made."""
    if path is None:
        return
    require_plain_name(path)
    if path.suffix not in REPORT_SUFFIXES:
        raise OutputError(
            f"{path} does not end in {list_names(list(REPORT_SUFFIXES))}",
            [("next", f"name it {path.with_suffix(REPORT_SUFFIXES[0]).name}")],
        )
    require_parent(path)


def require_parent(path: Path) -> None:
    """Raise OutputError where the folder that a path lies in is missing, or cannot be written."""
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder {path.parent} does not exist",
            [("next", f"make it first: mkdir -p {path.parent}")],
        )
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OutputError(
            f"cannot write to the folder {path.parent}: {error.strerror}",
            [("next", "check its permissions, or name another folder")],
        ) from error


def require_plain_name(path: Path) -> None:
    """Raise OutputError for what is no name of a file, or where something else stands."""
    mode = read_mode(path)
    if mode is None or stat.S_ISREG(mode):
        return
    if stat.S_ISDIR(mode):
        raise OutputError(
            f"{path} is a folder",
            [("next", f"name a file, for example {path / 'model.keras'}")],
        )
    raise OutputError(f"{path} is no file", [("next", "name a file, or one that is new")])


def read_mode(path: Path) -> int | None:
    """Return the mode of what stands at a path; None where nothing does.

    Raises OutputError for what is no name of a file.
    """
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - Path.exists hides some of the reasons
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"no file can be written at this path: {why}",
            [("path", str(path)), ("next", "name another file")],
        ) from error
