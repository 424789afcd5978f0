"""Weights from safetensors: a header of names and places, then the numbers; nothing is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch2keras.errors import SourceError, UnsafeFileError
from torch2keras.runtime.mapped_memory import note_mapped
from torch2keras.runtime.optional_package import import_package
from torch2keras.runtime.paths import is_file

if TYPE_CHECKING:
    import torch

SUFFIX = ".safetensors"


STEM = "model"
"""How transformers calls the files of weights."""


INDEX = ".safetensors.index.json"


ADAPTER = "adapter_config.json"


PICKLED = (".bin", ".pt", ".pth", ".ckpt")


def read_folder(folder: Path, stem: str = STEM) -> dict[str, torch.Tensor]:
    """Return the tensors of a folder that transformers saved, from one file or from shards.

    `stem` is how the files are called, without their endings.

    Raises SourceError where there are none or a file is damaged, UnsafeFileError where they are
    pickled, or where the index names a file outside of the folder or of another kind.
    """
    weights: dict[str, torch.Tensor] = {}
    for file in find_weight_files(folder, stem):
        weights |= read_safetensors(file)
    return weights


def find_stem(folder: Path) -> str:
    """Return how the safetensors of a folder are called: as its index, or as its only file.

    It is transformers' own name where the folder has neither, or several.
    """
    stems = [file.name.removesuffix(INDEX) for file in folder.glob(f"*{INDEX}")]
    if not stems:
        stems = [file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}")]
    return stems[0] if len(stems) == 1 else STEM


def read_safetensors(file: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by name.

    Raises SourceError where it is no file, or a damaged one.
    """
    if not is_file(file):  # neither a folder nor a pipe, which would block
        raise SourceError(f"{file} is no file", [("next", "name a file of safetensors")])
    safetensors = import_package("safetensors.torch", "safetensors", str(file))
    try:
        loaded: dict[str, torch.Tensor] = safetensors.load_file(file)
        note_mapped(loaded.values())
    except MemoryError as error:
        step = "use a machine with more memory"
        raise SourceError(
            f"the weights of {file} do not fit into memory", [("next", step)]
        ) from error
    except Exception as error:  # a damaged header is met as any of many
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        step = "get the file again, or save it again with safetensors.torch.save_file"
        raise SourceError(
            f"{file} is damaged, or no safetensors", [("python", why), ("next", step)]
        ) from error
    return loaded


def find_weight_files(folder: Path, stem: str = STEM) -> list[Path]:
    """Return the files that hold a model's weights.

    Raises SourceError or UnsafeFileError as `read_folder` does.
    """
    if (folder / ADAPTER).exists():
        step = "merge it into its model: model.merge_and_unload().save_pretrained(FOLDER)"
        raise SourceError(f"{folder} holds an adapter of another model", [("next", step)])
    single, index = stem + SUFFIX, folder / (stem + INDEX)
    if (folder / single).exists():
        return [_require_inside(folder, single)]
    if index.exists():
        return [_require_inside(folder, name) for name in _read_index(index)]
    raise _no_weights(folder, single)


def _read_index(file: Path) -> list[str]:
    """Return the names of the shards, each once. Raises SourceError where it is malformed."""
    try:
        names: Any = json.loads(file.read_text(encoding="utf-8"))["weight_map"].values()
        shards = sorted(set(names))
        are_names = all(isinstance(name, str) for name in shards)
    except (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError) as error:
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise _bad_index(file, why) from error
    if not shards or not are_names:
        raise _bad_index(file, 'its "weight_map" names no files')
    return shards


def _bad_index(file: Path, why: str) -> SourceError:
    step = "get the file again, or save the model again: model.save_pretrained(FOLDER)"
    return SourceError(f"{file} is no index of shards", [("python", why), ("next", step)])


def _require_inside(folder: Path, name: str) -> Path:
    """Return the file of this name. Raises UnsafeFileError for a name that leads elsewhere."""
    file = folder / name
    if Path(name).name != name or file.suffix != SUFFIX:
        raise _outside(folder, name, f"a shard is a {SUFFIX} file that lies in the folder itself")
    try:
        target = file.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        step = "get the file again, or save the model again: model.save_pretrained(FOLDER)"
        raise SourceError(f"the shard {name} of {folder} is missing", [("next", step)]) from error
    if not target.is_relative_to(_root(folder.resolve())):
        raise _outside(folder, name, f"it is a link to {target}")
    return file


def _root(folder: Path) -> Path:
    """Return the folder itself; in the cache of huggingface_hub that of the repository.

    There each snapshot links to the repository's `blobs`.
    """
    repository = folder.parent.parent
    if folder.parent.name == "snapshots" and (repository / "blobs").is_dir():
        return repository
    return folder


def _outside(folder: Path, name: str, why: str) -> UnsafeFileError:
    step = "put the safetensors themselves into the folder where you trust them"
    return UnsafeFileError(
        f"the weights of {folder} lead to another file: {name!r}", [("why", why), ("next", step)]
    )


def _no_weights(folder: Path, single: str) -> SourceError | UnsafeFileError:
    pickled = [file.name for file in sorted(folder.iterdir()) if file.suffix in PICKLED]
    if not pickled:
        step = f"put {single} beside it, or name {folder / 'config.json'} for random weights"
        return SourceError(f"{folder} holds no weights", [("next", step)])
    step = "save them as safetensors where you trust them: model.save_pretrained(FOLDER)"
    return UnsafeFileError(
        f"the weights of {folder} are pickled: {', '.join(pickled)}",
        [("why", "reading a pickle can run any code"), ("next", step)],
    )
