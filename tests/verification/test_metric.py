"""The comparison: its formulas and special values, and whether it tells wrong nets from right."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bugs import BUGS, EDGE_BUGS, HUGE_BUGS
from equal_nets import CORRECT
from torch2keras.verification.metric import EPS, Difference, meaning, numerics
from torch2keras.verification.probes import DEFAULT_PROBES, probes
from torch2keras.verification.reference import run, run64
from variants import Variant

NAN, INF = np.nan, np.inf
MISPLACED = "NaN at 1 of 2 places where PyTorch has none, first at (0,): PyTorch has inf"


pytestmark = pytest.mark.usefixtures("one_thread")


def compared(variant: Variant, names: tuple[str, ...]) -> list[tuple[str, Difference]]:
    """Both tiers on each probe, at each shape of the variant."""
    right, other = variant.pair()
    found = []
    for shape in filter(None, (variant.shape, variant.second)):
        for probe in probes([np.zeros(shape, np.float32)], names=names):
            (y_t,), (y64,) = run(right, probe.tensors), run64(right, probe.tensors)
            (y_k,), (k64,) = run(other, probe.tensors), run64(other, probe.tensors)
            where = f"{probe.name} {shape}"
            found += [(where, meaning(k64, y64, y_t=y_t)), (where, numerics(y_k, y_t, y64))]
    return found


def named(variants: tuple[Variant, ...]) -> list[object]:
    return [pytest.param(variant, id=variant.name.replace(" ", "-")) for variant in variants]


@pytest.mark.parametrize("bug", named(BUGS))
def test_wrong_net_is_caught(bug: Variant) -> None:
    assert not all(difference.ok for _, difference in compared(bug, DEFAULT_PROBES))


@pytest.mark.parametrize(
    ("probe", "bug"),
    [
        pytest.param(probe, bug, id=f"{probe}-{bug.name.replace(' ', '-')}")
        for probe, bugs in (("edges", EDGE_BUGS), ("huge", HUGE_BUGS))
        for bug in bugs
    ],
)
def test_some_bugs_need_another_probe(probe: str, bug: Variant) -> None:
    assert all(difference.ok for _, difference in compared(bug, DEFAULT_PROBES))
    assert not all(difference.ok for _, difference in compared(bug, (probe,)))


@pytest.mark.parametrize("twin", named(CORRECT))
def test_right_net_is_not_refused(twin: Variant) -> None:
    differences = compared(twin, ("normal", "wide", "huge", "edges", "impulse"))
    assert [(where, d.tier, d.reason) for where, d in differences if not d.ok] == []
    assert all(difference.compared for _, difference in differences)


def test_tables_are_large_enough() -> None:
    assert len(BUGS) >= 20
    assert len(CORRECT) >= 20


@pytest.mark.parametrize(
    ("name", "names"),
    [("relu6 for relu", ("normal",)), ("softplus that overflows", ("normal",))],
)
def test_normal_numbers_alone_would_miss_it(name: str, names: tuple[str, ...]) -> None:
    bug = next(bug for bug in BUGS if bug.name == name)
    assert all(difference.ok for _, difference in compared(bug, names))


def test_one_length_alone_would_miss_padding_same() -> None:
    differences = compared(BUGS[0], DEFAULT_PROBES)
    ok = {where: [d.ok for w, d in differences if w == where] for where, _ in differences}
    assert ok["normal (3, 6, 23)"] == [True, True]
    assert ok["normal (2, 6, 20)"] == [False, False]


Y = np.array([[1.0, -4.0, 2.0], [0.5, 0.25, -3.0]])

AT = np.array([[0.0, 0, 0], [0, 1, 0]])

MEANING = [
    ("equal", Y, Y, ""),
    ("at the bound", Y + AT * 3.9e-9, Y, ""),
    (
        "above the bound",
        Y + AT * 4.1e-9,
        Y,
        "max error 4.1e-09 is 1.03 times the bound 4e-09 at (1, 1)",
    ),
    ("shape", Y.T, Y, "shape (3, 2) instead of (2, 3)"),
    ("broadcast", Y[:1], Y, "shape (1, 3) instead of (2, 3)"),
    ("kind", Y.astype(np.int64), Y, "dtype int64 instead of float64"),
    ("complex", Y + 1j, Y + 1j, ""),
    (
        "another imaginary part",
        Y + 1j,
        Y + 1.1j,
        "max error 0.1 is 2.5e+07 times the bound 4e-09 at (0, 0, 1)",
    ),
    ("complex for real", Y + 0j, Y, "dtype complex128 instead of float64"),
    ("bytes", np.array([b"a"]), np.array([b"a"]), "dtype |S1, which has no comparison"),
    ("empty", np.zeros((0, 3)), np.zeros((0, 3)), ""),
    (
        "empty of another shape",
        np.zeros((0, 3)),
        np.zeros((3, 0)),
        "shape (0, 3) instead of (3, 0)",
    ),
    ("scalar", np.float64(2.0), np.float64(2.0), ""),
    (
        "wrong scalar",
        np.float64(2.1),
        np.float64(2.0),
        "max error 0.1 is 5e+07 times the bound 2e-09 at ()",
    ),
    ("zeros", np.zeros(5), np.zeros(5), ""),
    ("signs of zero", -np.zeros(5), np.zeros(5), ""),
    ("flushed", np.array([0.0, 0.0]), np.array([0.0, 1e-308]), ""),
    (
        "noise where zero is meant",
        np.array([0.0, 1e-300]),
        np.zeros(2),
        "max error 1e-300 is 4.49e+07 times the bound 2.2e-308 at (1,)",
    ),
    (
        "anything where zero is meant",
        np.array([0.0, 1.0]),
        np.zeros(2),
        "max error 1 is above the bound 2.2e-308 at (1,)",
    ),
    (
        "tiny",
        np.array([1e-300]),
        np.array([1.1e-300]),
        "max error 1e-301 is 4.28e+06 times the bound 2.3e-308 at (0,)",
    ),
    (
        "huge",
        np.array([1e308, -1e308]),
        np.array([-1e308, 1e308]),
        "max error inf is 2e+09 times the bound 1e+299 at (0,)",
    ),
    ("huge and equal", np.array([1e308, -1e308]), np.array([1e308, -1e308]), ""),
    ("NaN at the same place", np.array([NAN, 1.0]), np.array([NAN, 1.0]), ""),
    (
        "NaN",
        np.array([1.0, NAN]),
        np.array([1.0, 2.0]),
        "NaN at 1 of 2 places where PyTorch has none, first at (1,): PyTorch has 2.0",
    ),
    (
        "no NaN",
        np.array([1.0, 2.0]),
        np.array([1.0, NAN]),
        "no NaN at 1 of 2 places where PyTorch has one, first at (1,): 2.0",
    ),
    ("infinity", np.array([INF, -INF, 1.0]), np.array([INF, -INF, 1.0]), ""),
    (
        "sign of infinity",
        np.array([INF]),
        np.array([-INF]),
        "+inf at 1 of 1 places where PyTorch has none, first at (0,): PyTorch has -inf",
    ),
    (
        "infinity for NaN",
        np.array([INF]),
        np.array([NAN]),
        "no NaN at 1 of 1 places where PyTorch has one, first at (0,): inf",
    ),
    (
        "infinity hides no error",
        np.array([INF, 1.0]),
        np.array([INF, 1.1]),
        "max error 0.1 is 9.09e+07 times the bound 1.1e-09 at (1,)",
    ),
    ("integers", np.array([3, 4]), np.array([3, 4]), ""),
    ("wider integers", np.array([3, 4], np.int32), np.array([3, 4]), ""),
    (
        "another integer",
        np.array([3, 5]),
        np.array([3, 4]),
        "1 of 2 ints differ, 5 instead of 4 at (1,)",
    ),
    (
        "large integers",
        np.array([2**60 + 1]),
        np.array([2**60]),
        "1 of 1 ints differ, 1152921504606846977 instead of 1152921504606846976 at (0,)",
    ),
    (
        "bools",
        np.array([True, False]),
        np.array([True, True]),
        "1 of 2 bools differ, False instead of True at (1,)",
    ),
]


@pytest.mark.parametrize(
    ("k64", "y64", "reason"), [pytest.param(*row[1:], id=row[0]) for row in MEANING]
)
def test_meaning(k64: np.ndarray, y64: np.ndarray, reason: str) -> None:
    with np.errstate(all="raise"):
        difference = meaning(k64, y64)
    assert difference.reason == reason
    assert difference.ok == (reason == "")
    assert difference.tier == "S"


def test_meaning_measures() -> None:
    difference = meaning(Y + np.array([[0, 0, 3e-9], [0, 0, 0]]), Y)
    assert difference.max_abs == pytest.approx(3e-9, rel=1e-6)
    assert difference.rms == pytest.approx(3e-9 / 6**0.5, rel=1e-6)
    assert difference.bound_max == pytest.approx(4e-9)
    assert difference.worst == (0, 2)
    assert difference.compared == 6


def test_worst_place_counts_the_places_left_out() -> None:
    difference = meaning(np.array([NAN, 1.0, INF, 2.5]), np.array([NAN, 1.0, INF, 2.0]))
    assert difference.worst == (3,)
    assert difference.compared == 2


def test_all_nan_compares_nothing() -> None:
    difference = meaning(np.full(3, NAN), np.full(3, NAN))
    assert difference.ok
    assert difference.compared == 0


def test_noise_is_allowed_only_as_far_as_float32_shows_it() -> None:
    y64, y_t = np.full(5, 1e-17), np.full(5, 3e-8, np.float32)
    assert not meaning(np.full(5, -3e-17), y64).ok
    assert meaning(np.full(5, -3e-17), y64, y_t=y_t).ok
    assert not meaning(np.full(5, 1e-14), y64, y_t=y_t).ok


def test_overflow_of_float32_takes_no_place_from_meaning() -> None:
    y64 = np.array([1e39, 1.0])
    with np.errstate(over="ignore"):
        y_t = y64.astype(np.float32)
    assert not meaning(np.array([2e39, 1.0]), y64, y_t=y_t).ok


T = np.float32([1.0, -4.0, 2.0, 0.5])
EXACT = T.astype(np.float64)

NUMERICS = [
    ("equal", T, T, EXACT, ""),
    ("within both bounds", T + np.float32([0, 3e-6, 0, 0]), T, EXACT, ""),
    (
        "maximum",
        T + np.float32([0, 0, 1e-5, 0]),
        T,
        EXACT,
        "max error 1e-05 is 1.31 times the bound 7.6e-06 at (2,)",
    ),
    ("rms", T + np.float32(5e-6), T, EXACT, "rms error 5e-06 is 2.28 times the bound 2.2e-06"),
    ("as bad as PyTorch", T + np.float32(5e-3), T - np.float32(5e-3), EXACT, ""),
    (
        "a fifth of it allowed",
        T + np.float32(5e-3),
        T - np.float32(1e-3),
        EXACT,
        "rms error 0.005 is 1.25 times the bound 0.004",
    ),
    (
        "another overflow",
        np.float32([NAN, -INF, 1]),
        np.float32([INF, INF, 1]),
        np.array([1e39, -1e39, 1.0]),
        "",
    ),
    (
        "NaN of a number in range",
        np.float32([NAN, 1]),
        np.float32([INF, 1]),
        np.array([1e37, 1.0]),
        MISPLACED,
    ),
    ("overflow in both", np.float32([INF, 1]), np.float32([INF, 1]), np.array([1e39, 1.0]), ""),
    (
        "overflow in ours",
        np.float32([INF, 1]),
        np.float32([2, 1]),
        np.array([2.0, 1.0]),
        "+inf at 1 of 2 places where PyTorch has none, first at (0,): PyTorch has 2.0",
    ),
    (
        "overflow hides no error",
        np.float32([INF, 1.1]),
        np.float32([INF, 1]),
        np.array([1e39, 1.0]),
        "max error 0.1 is 5.24e+04 times the bound 1.9e-06 at (1,)",
    ),
    ("pole in float64 only", np.float32([9.0, 1]), np.float32([9.0, 1]), np.array([INF, 1.0]), ""),
    (
        "wrong at such a pole",
        np.float32([5.0, 1]),
        np.float32([9.0, 1]),
        np.array([NAN, 1.0]),
        "max error 4 is 2.33e+05 times the bound 1.7e-05 at (0,)",
    ),
    ("flushed", np.float32([0, 0]), np.float32([1e-39, 0]), np.array([1e-39, 0]), ""),
    ("integers", np.array([3, 4]), np.array([3, 4]), np.array([3, 4]), ""),
    ("nearly equal: as float64", np.array([7]), np.array([3]), np.array([7]), ""),
    (
        "neither of the two",
        np.array([5]),
        np.array([3]),
        np.array([7]),
        "1 of 1 ints differ, 5 instead of 3 at (0,)",
    ),
    (
        "reference of another shape",
        T,
        T,
        EXACT[:3],
        "the float64 reference has shape (3,) instead of (4,)",
    ),
    ("empty", T[:0], T[:0], EXACT[:0], ""),
]


@pytest.mark.parametrize(
    ("y_k", "y_t", "y64", "reason"), [pytest.param(*row[1:], id=row[0]) for row in NUMERICS]
)
def test_numerics(y_k: np.ndarray, y_t: np.ndarray, y64: np.ndarray, reason: str) -> None:
    with np.errstate(all="raise"):
        difference = numerics(y_k, y_t, y64)
    assert difference.reason == reason
    assert difference.ok == (reason == "")
    assert difference.tier == "N"


@pytest.mark.parametrize(
    ("dtype", "torch_dtype"),
    [("float16", torch.float16), ("bfloat16", torch.bfloat16), ("float64", torch.float64)],
)
def test_each_type_has_its_eps(dtype: str, torch_dtype: torch.dtype) -> None:
    exact = torch.linspace(-2, 3, 101, dtype=torch.float64)
    near = (exact * (1 + 3 * EPS[dtype])).to(torch_dtype)
    far = (exact * (1 + 60 * EPS[dtype])).to(torch_dtype)
    array = [
        t.float().numpy() if dtype == "bfloat16" else t.numpy()
        for t in (near, far, exact.to(torch_dtype))
    ]
    assert torch.finfo(torch_dtype).eps == EPS[dtype]
    assert numerics(array[0], array[2], exact.numpy(), EPS[dtype]).ok
    assert not numerics(array[1], array[2], exact.numpy(), EPS[dtype]).ok


def test_inputs_are_not_changed() -> None:
    arrays = [T.copy(), T.copy(), EXACT.copy()]
    for array in arrays:
        array.flags.writeable = False
    assert numerics(*arrays).ok
