"""What an export says of itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from torch2keras.deployment.formats import Format
from torch2keras.deployment.result import Deployment, FilePort, format_bytes
from torch2keras.verification.metric import Difference
from torch2keras.verification.results import Check

CHECKS = (
    Check("normal", ((1, 3),), "output", Difference("N", 2.0, 1.0, 8.0, 4.0, 3, (0, 0))),
    Check("wide", ((1, 3),), "output", Difference("N", 1.0, 1.0, 8.0, 4.0, 3, (0, 0))),
)

DEPLOYMENT = Deployment(
    path=Path("net.tflite"),
    format=Format.LITERT,
    inputs=(FilePort("x", "float32", (None, 9, 3), "n l c"),),
    outputs=(FilePort("output", "int64", (), ""),),
    signatures=("serve",),
    bytes=2_345,
    operators={"CONV_2D": 2, "TRANSPOSE": 1},
    runtime="LiteRT 2.3.0",
    checks=CHECKS,
    notes=("A note that is so long that it does not stand in a line of eighty columns alone.",),
)


def test_the_paragraph_says_what_it_takes_and_how_it_was_run():
    assert str(DEPLOYMENT).splitlines() == [
        "net.tflite: LiteRT, 2.3 kB, 3 operators, 1 of them transposes",
        "  in    x float32 (any, 9, 3) n l c",
        "  out   output int64 ()",
        "  ran   LiteRT 2.3.0: at most 0.25 of the bound of tier N; inputs normal, wide",
        "  note  A note that is so long that it does not stand in a line of eighty",
        "        columns alone.",
    ]


def test_the_facts_are_plain_data():
    facts = json.loads(json.dumps(DEPLOYMENT.as_dict()))
    assert facts["worst"] == DEPLOYMENT.worst == 0.25
    assert facts["inputs"] == [
        {"name": "x", "dtype": "float32", "shape": [None, 9, 3], "order": "n l c"}
    ]
    assert facts["compared"] == ["normal", "wide"]


@pytest.mark.parametrize(("count", "said"), [(0, "0.0 kB"), (950, "0.9 kB"), (1_500_000, "1.5 MB")])
def test_sizes_are_read_in_kilo_and_megabytes(count, said):
    assert format_bytes(count) == said
