"""A mapping is data: written, edited, read back."""

from __future__ import annotations

import json

import pytest

from torch2keras.errors import InputError, OutputError
from torch2keras.twins.mapping import PairRow, TwinMapping, WeightRow, read_mapping

MAPPING = TwinMapping(
    (
        PairRow("c1", "conv1d", "structure", (WeightRow(("c1.weight",), "kernel"),)),
        PairRow("fc", "dense", "order"),
    ),
    torch_left=("head (Dense: kernel 3x4)",),
)


def test_what_is_saved_is_read_back(tmp_path) -> None:
    path = MAPPING.save(tmp_path / "map.json")
    assert json.loads(path.read_text()) == json.loads(json.dumps(MAPPING.as_dict()))
    for given in (MAPPING, path, str(path), MAPPING.as_dict(), {"c1": "conv1d", "fc": "dense"}):
        assert read_mapping(given) == {"c1": "conv1d", "fc": "dense"}
    assert [pair.torch for pair in MAPPING.guessed] == ["fc"]


@pytest.mark.parametrize(
    "given",
    [
        3,
        {"pairs": [{"torch": "a"}]},
        {"pairs": [{"torch": "a", "keras": "b"}, {"torch": "a", "keras": "c"}]},
        {"a": "x", "b": "x"},
        {"a": 3},
    ],
)
def test_what_is_no_mapping_is_refused(given) -> None:
    with pytest.raises(InputError, match="no mapping of layers"):
        read_mapping(given)


def test_files_that_cannot_be_read_or_written_are_named(tmp_path) -> None:
    (tmp_path / "broken.json").write_text("{")
    for name in ("broken.json", "missing.json"):
        with pytest.raises(InputError, match=name):
            read_mapping(tmp_path / name)
    with pytest.raises(OutputError, match="cannot write"):
        MAPPING.save(tmp_path / "missing" / "map.json")
