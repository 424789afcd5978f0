"""Files with something changed, read as the command line reads those of strangers.

    python tests/fuzzing.py START COUNT FOLDER [KIND ...]

A line of JSON is printed for each file that ends badly: in an exception of another kind than ours,
after more than SECONDS, with more memory than it has bytes for, or with anything left behind in
FOLDER; and one for the files of each kind, how many were read and how many refused. What crashes is
told by the file that stays in FOLDER.
"""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SECONDS = 10
"""Of this process's work: a busy machine may let it wait."""

FILE_SHARE, ALLOWANCE = 2, 2**25
"""A file may need twice its bytes; 32 MB are what the frameworks take and give back alone."""

MOST_MEMORY = 10**7
"""What `--max-memory` is where a config says how large a model is."""

CODE = "__import__('os').mkdir('marker')"

BOMBS = (
    b"cposix\nmkdir\n(S'marker'\ntR",
    b'c__builtin__\neval\n(S"' + CODE.encode() + b'"\ntR',
    b"c__builtin__\nbytearray\n(I10000000000\ntR",
    b"ctorch\nTensor\n(I10000000000\ntR",
    b"\x8c\x05posix\x8c\x05mkdir\x93(X\x06\x00\x00\x00markertR",
    b"cbuiltins\ngetattr\n(ctorch\nload\nS'__globals__'\ntR",
)
"""Instructions of a pickle that run code or fill memory."""

JUNK: tuple[Any, ...] = (
    None, True, -1, 0, 2**31, 2**40, 2**63, 2**70, 1e300, float("nan"), "", "x\x00\x1b[2J", CODE,
    "../../etc/passwd", "a" * 10**4, [], {}, [[[]]], [2**40] * 3, {"class_name": "Lambda"},
    {"module": "os", "class_name": "mkdir", "config": {"path": "marker"}},
    {"auto_map": {"a": "b.c"}},
)  # fmt: skip

NUMBERS = (b"\xff" * 8, b"\x7f" + b"\xff" * 7, bytes(8), b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80")


def make_safetensors() -> bytes:
    import torch
    from safetensors.torch import save

    tensors = {"weight": torch.ones(3, 5), "bias": torch.zeros(3)}
    return save(tensors, {"format": "pt"})


def make_pickle(*, zipped: bool) -> bytes:
    import torch

    state = torch.nn.Linear(5, 3).state_dict()
    file = io.BytesIO()
    saved = {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: torch.ones(())}}}
    torch.save(saved, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def make_program() -> bytes:
    import torch

    from hostile_programs import export_clean

    file = io.BytesIO()
    torch.export.save(export_clean(), file)
    return file.getvalue()


def make_config() -> bytes:
    from hostile_folders import BERT

    more = {"hidden_dropout_prob": 0.1, "id2label": {"0": "a"}, "torch_dtype": "float32"}
    return json.dumps({**BERT, **more}).encode()


def make_keras() -> bytes:
    import torch

    import torch2keras as t2k

    net = torch.nn.Sequential(torch.nn.Conv1d(3, 5, 3), torch.nn.Tanh(), torch.nn.BatchNorm1d(5))
    converted = t2k.convert(net.eval(), torch.randn(2, 3, 11), verify=False)
    path = converted.save(Path("clean.keras"))
    data = path.read_bytes()
    path.unlink()
    return data


def read_weights(file: Path) -> None:
    from torch import nn

    from torch2keras.checkpoints.checkpoint_names import load_weights
    from torch2keras.cli.checkpoint_list import list_file

    str(list_file(file))
    load_weights(nn.Linear(5, 3), file)


def read_program(file: Path) -> None:
    from torch2keras.exported_files.load import load_exported_program

    load_exported_program(file)


def read_config(file: Path) -> None:
    from torch2keras.cli.hugging_face import load_hugging_face
    from torch2keras.runtime.free_memory import limit_memory

    with limit_memory(MOST_MEMORY):
        load_hugging_face(str(file))


def read_keras(file: Path) -> None:
    from torch2keras.errors import Torch2KerasError
    from torch2keras.keras_model.model_file import open_model

    failure = None
    for read in (open_model, read_map):
        try:
            read(file)
        except Torch2KerasError as error:
            failure = error
    if failure is not None:
        raise failure


def read_map(file: Path) -> None:
    from torch2keras.cli.checkpoint_list import list_file

    str(list_file(file))


class Kind(NamedTuple):
    """A format: a clean file, and what reads it."""

    suffix: str
    make: Callable[[], bytes]
    read: Callable[[Path], None]


KINDS: Mapping[str, Kind] = {
    "safetensors": Kind(".safetensors", make_safetensors, read_weights),
    "pth": Kind(".pth", lambda: make_pickle(zipped=True), read_weights),
    "old_pth": Kind(".pth", lambda: make_pickle(zipped=False), read_weights),
    "pt2": Kind(".pt2", make_program, read_program),
    "config": Kind(".json", make_config, read_config),
    "keras": Kind(".keras", make_keras, read_keras),
}


# Changes.


def change_bytes(data: bytes, generator: random.Random) -> bytes:
    """Change single bytes, numbers or pieces."""
    changed = bytearray(data)
    for _ in range(generator.choice([1, 1, 2, 5, 20])):
        place = generator.randrange(len(changed) + 1)
        length = generator.choice([1, 1, 4, 8, 100])
        match generator.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([generator.randrange(256)])
            case 1:
                number = generator.choice(NUMBERS)
                changed[place : place + len(number)] = number
            case 2:
                del changed[place : place + length]
            case 3:
                start = generator.randrange(len(changed) + 1)
                changed[place:place] = changed[start : start + length]
            case 4:
                changed[place:place] = generator.choice(BOMBS)
            case _:
                changed[place:] = changed[place : place + length] if length == 100 else b""
                changed += data[place:] if length < 8 else b""
    return bytes(changed)


def change_json(value: Any, generator: random.Random) -> None:
    """Exchange one value somewhere for junk, or leave it out, or call it something else."""
    place, key = {"": value}, ""
    while isinstance(place[key], dict | list) and place[key] and generator.random() < 0.93:
        place = place[key]
        key = generator.choice(list(place) if isinstance(place, dict) else range(len(place)))
    junk = copy.deepcopy(generator.choice(JUNK))
    chance = generator.random()
    if isinstance(place, dict) and key and chance < 0.15:
        del place[key]
    elif isinstance(place, dict) and key and chance < 0.25:
        place[str(junk)] = place.pop(key)
    else:
        place[key] = junk


def change_member(data: bytes, generator: random.Random) -> bytes:
    """Change what is in a file, and let its frame fit: records of archives, headers, JSON."""
    if data[:2] == b"PK":
        return _change_archive(data, generator)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        header = _change_text(data[8 : 8 + length], generator)
        return len(header).to_bytes(8, "little") + header + data[8 + length :]
    return _change_text(data, generator)


def _change_text(data: bytes, generator: random.Random) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return change_bytes(data, generator) if data else generator.choice(BOMBS)
    for _ in range(generator.choice([1, 1, 2, 4])):
        if isinstance(value, dict | list) and value:
            change_json(value, generator)
    return json.dumps(value).encode()


def _change_archive(data: bytes, generator: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    name = generator.choice([name for name in records if records[name]])
    chance = generator.random()
    if chance < 0.75:
        records[name] = _change_text(records[name], generator)
    elif chance < 0.8:
        del records[name]
    elif chance < 0.9:
        records[generator.choice(["../marker", "a/../../marker", "extra", "/marker"])] = b"x"
    else:
        records[name] = pickle.dumps({"a": b"x" * 9}, 2).replace(
            b"}", generator.choice(BOMBS) + b"}"
        )
    made = io.BytesIO()
    packing = zipfile.ZIP_DEFLATED if generator.random() < 0.05 else zipfile.ZIP_STORED
    with zipfile.ZipFile(made, "w", packing) as archive:
        for called, record in records.items():
            archive.writestr(called, record)
    return made.getvalue()


def mutate(clean: bytes, generator: random.Random) -> bytes:
    """Return a file with something changed."""
    if generator.random() < 0.4:
        return change_bytes(clean, generator)
    return change_member(clean, generator)


# One process.


def read_memory(field: str) -> int:
    """Return the bytes that Linux has under a name for this process."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


REFUSED = "refused"


def judge(read: Callable[[Path], None], file: Path) -> str:
    """Read a file; return what is wrong with how that ended, REFUSED, or "" where it was read."""
    from torch2keras.errors import InternalError, Torch2KerasError

    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before, began = read_memory("VmRSS"), time.process_time()
    allowed = before + FILE_SHARE * file.stat().st_size + ALLOWANCE
    ended = ""
    try:
        read(file)
    except InternalError as error:
        return f"InternalError: {error}"
    except Torch2KerasError:
        ended = REFUSED
    except BaseException as error:  # noqa: BLE001 - what is raised beside the tree is looked for
        return f"{type(error).__name__}: {error}"
    seconds, peak = time.process_time() - began, read_memory("VmHWM")
    if seconds > SECONDS:
        return f"{seconds:.0f} seconds"
    if peak > allowed:
        return f"{(peak - before) / 1e6:.0f} MB for a file of {file.stat().st_size} bytes"
    return ended


def remove_others(file: Path) -> list[str]:
    """Remove what lies beside a file, and return its names."""
    left = sorted(path for path in file.parent.iterdir() if path != file)
    for path in left:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return [path.name for path in left]


def run(start: int, count: int, name: str) -> Iterator[dict[str, Any]]:
    """Read so many files of a kind in this folder; yield those that end badly, and counts."""
    kind = KINDS[name]
    clean = kind.make()
    file = Path(f"{name}{kind.suffix}").absolute()
    file.write_bytes(clean)
    kind.read(file)  # and what is imported for it
    ends = {REFUSED: 0, "": 0}
    for seed in range(start, start + count):
        file.write_bytes(mutate(clean, random.Random(f"{name} {seed}")))
        ended = judge(kind.read, file)
        left = remove_others(file)
        if left:
            ended = f"{ended}; left behind: {left}"
        if ended in ends:
            ends[ended] += 1
        else:
            yield {"kind": name, "seed": seed, "wrong": ended[:500]}
    file.unlink()
    yield {"kind": name, "files": count, "read": ends[""], "refused": ends[REFUSED]}


def main(start: str, count: str, folder: str, *kinds: str) -> None:
    os.chdir(folder)
    own = os.dup(1)
    os.dup2(2, 1)  # what libraries print is none of the result
    with os.fdopen(own, "w", encoding="utf-8") as result:
        for name in kinds or KINDS:
            for found in run(int(start), int(count), name):
                result.write(json.dumps(found) + "\n")
                result.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
