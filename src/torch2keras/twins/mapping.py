"""The mapping between a module's layers and those of its twin, as data that a person can edit.

    {
      "format": "torch2keras twin mapping 1",
      "pairs": [
        {"torch": "layer1.0.conv1", "keras": "conv2_block1_1_conv", "how": "structure",
         "weights": [{"torch": ["layer1.0.conv1.weight"], "keras": "kernel", "moves": [...]}]}
      ],
      "torch_left": [], "keras_left": []
    }

Of a file that is read, "torch" and "keras" of each pair count; a pair that is left out is matched
anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch2keras.errors import InputError, OutputError
from torch2keras.runtime.atomic_writing import write_whole
from torch2keras.twins.matching import How

FORMAT = "torch2keras twin mapping 1"

CERTAIN = (How.STRUCTURE.value, How.PROBE.value, How.GIVEN.value)
"""How pairs are found that are no guesses."""


@dataclass(frozen=True)
class WeightRow:
    """One weight of a pair."""

    torch: tuple[str, ...]
    """The names in the state_dict that it is made of; empty for what only the twin has."""
    keras: str
    """The role in the layer: "kernel", "bias", "gamma", "mean", ..."""
    moves: tuple[str, ...] = ()
    """What is done to PyTorch's tensor, in words."""


@dataclass(frozen=True)
class PairRow:
    """One layer of the module and one of the twin."""

    torch: str
    """The path of the module, and ":part" where it has several parts with weights."""
    keras: str
    """The name of the layer, behind those of the models around it, and ":part"."""
    how: str
    """One of structure, probe, given, and order, which is a guess."""
    weights: tuple[WeightRow, ...] = ()


@dataclass(frozen=True)
class TwinMapping:
    """Which layer of the twin is which of the module's, and what was left over."""

    pairs: tuple[PairRow, ...]
    torch_left: tuple[str, ...] = ()
    keras_left: tuple[str, ...] = ()
    format: str = field(default=FORMAT)

    @property
    def guessed(self) -> tuple[PairRow, ...]:
        """The pairs that were taken in order, since others look alike."""
        return tuple(pair for pair in self.pairs if pair.how not in CERTAIN)

    def as_dict(self) -> dict[str, Any]:
        """Return the mapping as JSON has it."""
        return asdict(self)

    def save(self, path: str | Path) -> Path:
        """Write the mapping as JSON; a file that stood there is replaced by a complete one.

        Raises OutputError where it cannot be written.
        """
        path = Path(path)
        try:
            with write_whole(path) as (place,):
                place.write_text(json.dumps(self.as_dict(), indent=2) + "\n")
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}") from error
        return path


def read_mapping(given: TwinMapping | Mapping[str, Any] | str | Path) -> dict[str, str]:
    """Return the pairs of a mapping, PyTorch's name -> Keras's.

    `given` is a result's mapping, the path of a saved one, what such a file holds, or the pairs
    themselves. Raises InputError where it is none of these, or names a layer twice.
    """
    if isinstance(given, TwinMapping):
        return {pair.torch: pair.keras for pair in given.pairs}
    if isinstance(given, str | Path):
        given = _read_file(Path(given))
    if not isinstance(given, Mapping):
        raise _refuse(f"a {type(given).__name__}")
    if "pairs" not in given:
        pairs = dict(given)
    else:
        pairs = {}
        for row in given["pairs"]:
            if not isinstance(row, Mapping) or not {"torch", "keras"} <= set(row):
                raise _refuse(f"the pair {row!r}")
            if row["torch"] in pairs:
                raise _refuse(f"{row['torch']!r} twice")
            pairs[row["torch"]] = row["keras"]
    if not all(isinstance(text, str) for text in (*pairs, *pairs.values())):
        raise _refuse("names that are no strings")
    _require_once(list(pairs.values()))
    return pairs


def _require_once(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise _refuse(f"the Keras layer {name!r} twice")


def _read_file(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot read the mapping {path}",
            [("why", str(error)), ("next", "give a file that result.mapping.save(path) wrote")],
        ) from error


def _refuse(what: str) -> InputError:
    return InputError(
        f"no mapping of layers: it has {what}",
        [("next", 'give pairs as {"layer1.0.conv1": "conv2_block1_1_conv"}, or a saved mapping')],
    )
