from __future__ import annotations

import pytest

from torch2keras.declarations.labels import Label, LabelKind
from torch2keras.declarations.patterns import bind_pattern, normalize_dims, parse_pattern

# pattern, ranks of operands and results, arguments, the labels of each dimension; a prime carries
# its term's number
BOUND = [
    ("...", (2, 2), {}, [".-2 .-1", ".-2 .-1"]),
    ("..., ... -> ...", (3, 1, 3), {}, [".-3 .-2 .-1", ".-1", ".-3 .-2 .-1"]),
    ("... -> ...", (0, 0), {}, ["", ""]),
    ("n c *s', f c *k', f -> n f *s'", (3, 3, 1, 3), {}, ["n c s0'0", "f c k0'1", "f", "n f s0'3"]),
    (
        "n c *s', f c *k' -> n f *s'",
        (4, 4, 4),
        {},
        ["n c s0'0 s1'0", "f c k0'1 k1'1", "n f s0'2 s1'2"],
    ),
    ("n? c l' -> n? c l'", (3, 3), {}, ["n c l'0", "n c l'1"]),
    ("n? c l' -> n? c l'", (2, 2), {}, ["c l'0", "c l'1"]),
    ("n? c *s', f c *k' -> n? f *s'", (2, 3, 2), {}, ["c s0'0", "f c k0'1", "f s0'2"]),
    ("... i, o i, o -> ... o", (4, 2, 1, 4), {}, [".-3 .-2 .-1 i", "o i", "o", ".-3 .-2 .-1 o"]),
    ("... *n, *n -> ... *n", (4, 2, 4), {}, [".-2 .-1 n0 n1", "n0 n1", ".-2 .-1 n0 n1"]),
    ("n (g i) -> n g i", (2, 3), {}, ["n g+i", "n g i"]),
    ("c 1 l' -> c l'", (3, 2), {}, ["c 1@0 l'0", "c l'1"]),
    ("... [dim] -> ... [dim]", (3, 3), {"dim": 1}, [".0 [1 .2", ".0 [1 .2"]),
    ("... [dim] -> ... [dim]", (3, 3), {"dim": -1}, [".0 .1 [2", ".0 .1 [2"]),
    ("... [dim'] -> ... [dim']", (3, 3), {"dim": 0}, ["[0'0 .1 .2", "[0'1 .1 .2"]),
    ("... [dim]' -> ... [dim]'", (3, 3), {"dim": 0}, ["[0'0 .1 .2", "[0'1 .1 .2"]),
    ("... [dim] -> ...", (3, 2), {"dim": 1}, [".0 [1 .2", ".0 .2"]),
    ("... [dim] -> ...", (3, 3), {"dim": (0, -1)}, ["[0 .1 [2", "[0'1 .1 [2'1"]),
    ("... [dim] -> ...", (2, 0), {"dim": None}, ["[0 [1", ""]),
    ("... [dim] -> ...", (2, 0), {"dim": ()}, ["[0 [1", ""]),
    ("..., ... -> ... [dim']", (2, 2, 3), {"dim": 1}, [".0 .2", ".0 .2", ".0 [1'2 .2"]),
]


def write_label(label: Label) -> str:
    """`.1` is a dimension of `...`, `[1` one that an argument names, `1@0` the unit of term 0."""
    prefix = {LabelKind.FREE: ".", LabelKind.ARGUMENT: "[", LabelKind.UNIT: "1@"}
    slot = label.slot
    text = slot.text if slot.kind is LabelKind.NAMED else f"{prefix[slot.kind]}{slot.number}"
    return f"{text}'{label.term}" if label.is_ordered else text


def write_dims(dims) -> str:
    return " ".join("+".join(map(write_label, dim)) for dim in dims)


@pytest.mark.parametrize(
    ("text", "ranks", "args", "labels"), BOUND, ids=lambda v: v if isinstance(v, str) else None
)
def test_bind(text, ranks, args, labels) -> None:
    bound = bind_pattern(parse_pattern(text), ranks, args)
    assert bound is not None
    assert [write_dims(dims) for dims in bound] == labels


# patterns and ranks that do not go together: the op is then pinned
UNBOUND = [
    ("n c l' -> n c l'", (2, 2), {}),
    ("n? c l' -> n? c l'", (4, 4), {}),
    ("... i, o i -> ... o", (0, 2, 0), {}),
    ("... [dim] -> ...", (3, 1), {"dim": 1}),
]


@pytest.mark.parametrize(("text", "ranks", "args"), UNBOUND)
def test_ranks_that_do_not_fit(text, ranks, args) -> None:
    assert bind_pattern(parse_pattern(text), ranks, args) is None


@pytest.mark.parametrize("text", ["n c", "n (c -> n c", "n + c -> n", "n [] -> n", "... -> ... ]"])
def test_malformed(text) -> None:
    with pytest.raises(ValueError, match="pattern"):
        parse_pattern(text)


def test_pointwise_is_only_dots() -> None:
    assert parse_pattern("...").is_pointwise
    assert parse_pattern("..., ... -> ...").is_pointwise
    assert not parse_pattern("... c -> ... c").is_pointwise


def test_a_free_dimension_is_one_of_the_dots() -> None:
    bound = bind_pattern(parse_pattern("... c -> ... c"), (3, 3), {})
    assert bound is not None
    assert [label.is_free for (label,) in bound[0]] == [True, True, False]


@pytest.mark.parametrize(
    ("dims", "rank", "normal"),
    [
        (None, 3, (0, 1, 2)),
        ((), 2, (0, 1)),
        (-1, 3, (2,)),
        ([0, -2], 3, (0, 1)),
        (0, 0, (0,)),
        (-1, 0, (0,)),
    ],
)
def test_normal_dims(dims, rank, normal) -> None:
    assert normalize_dims(dims, rank) == normal


# the name that a pattern gives -> whether a converter may ask for it
NAMES = {
    "n? c *s' -> n? c *s'": {"n", "c", "s"},
    "n (g i) -> n g i": {"n", "g", "i"},
    "n k0 k1 -> n": {"n", "k", "k0", "k1"},
    "... [dim] 1 -> ...": set(),
}


@pytest.mark.parametrize("text", NAMES)
def test_names_are_those_of_dimensions(text) -> None:
    assert parse_pattern(text).names == NAMES[text]


def test_arguments_that_name_dimensions() -> None:
    pattern = parse_pattern("... [dim], ... [dims'] -> ...")
    assert pattern.argument_names == {"dim", "dims"}
