"""A part of PyTorch's own samples; tools/conformance.py takes all of them."""

from __future__ import annotations

import itertools

import pytest

import conformance
from conformance import Outcome

EVERY = {"module": 7, "op": 37}
"""Each so manyth of the first samples of all modules and operators.

They are primes, so that no family is passed over.
"""


def chosen(kind: str) -> list[conformance.Sample]:
    samples = conformance.module_samples(1) if kind == "module" else conformance.operator_samples(1)
    return list(itertools.islice(samples, 3, None, EVERY[kind]))


@pytest.mark.parametrize("kind", EVERY)
def test_samples_of_pytorch(kind):
    found = [conformance.outcome(sample) for sample in chosen(kind)]
    assert len(found) > 10
    assert [o for o in found if o.status in ("wrong", "crashed")] == []
    assert sum(o.status == "passed" for o in found) > 0.8 * len(found)


def test_the_table():
    page = conformance.table(
        [
            Outcome("op", "add", 0, "passed"),
            Outcome("op", "nonzero", 0, "refused", "UnsupportedOpError: no lowering"),
            Outcome("op", "nonzero", 1, "refused", "UnsupportedOpError: no lowering"),
            Outcome("module", "nn.Some", 0, "wrong", "max|error| is too large\nmore"),
            Outcome("module", "nn.Some", 1, "passed"),
        ]
    )
    assert (
        "5 samples of 3 operators and modules: "
        "2 passed, 2 refused, 1 wrong, 0 crashed, 0 not compared" in page
    )
    assert "| `nonzero` | 2 |  | 2 |  |  |  | UnsupportedOpError: no lowering |" in page
    assert "| nn `Some` | 2 | 1 |  | 1 |  |  | max\\|error\\| is too large |" in page
    assert "`add`" not in page
