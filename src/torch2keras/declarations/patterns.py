"""The pattern language: one line says which axes of an op's operands and results are the same.

    "n c *s', f c *k', f -> n f *s'"        terms in the order of the schema's tensor arguments, then the results

    name      one dimension
    *name     one dimension for each spatial rank (the same number in every term)
    ...       the other dimensions; broadcasting aligns them at the right
    [arg]     the dimensions that the argument `arg` names (an int or a list of ints)
    name?     absent when the input has no batch
    (a b)     one dimension made of two
    1         a dimension of size one
    '         a prime: order inside the dimension matters, and its size may change; without one, the op treats all
              positions of the axis alike, and equal names are the same axis

`parse_pattern` gives terms of tokens; `bind_pattern` gives them a node's ranks and arguments, and answers with one label a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

TOKEN = re.compile(
    r"\s*(\.\.\.|\((?P<group>[^)]*)\)|\[(?P<dims>\w+)(?P<p1>'?)\](?P<p3>'?)|(?P<star>\*?)(?P<name>\w+)(?P<p2>'?)(?P<opt>\??))"
)


@dataclass(frozen=True)
class Token:
    """One word of a term. `kind`: name, star, ellipsis, dims, group or unit."""

    kind: str
    name: str = ""
    primed: bool = False
    optional: bool = False
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pattern:
    """Terms of the operands and of the results."""

    operands: tuple[tuple[Token, ...], ...]
    results: tuple[tuple[Token, ...], ...]

    @property
    def terms(self) -> tuple[tuple[Token, ...], ...]:
        return self.operands + self.results

    @property
    def names(self) -> frozenset[str]:
        """The names of dimensions, and that which numbered ones share: `s` of `s0` and `s1`."""
        named = [
            token
            for term in self.terms
            for token in term
            if token.kind in ("name", "star", "group")
        ]
        names = {name for token in named for name in token.members or (token.name,)}
        return frozenset(names | {name.rstrip("0123456789") for name in names})

    @property
    def groups(self) -> bool:
        """One dimension is made of two somewhere."""
        return any(token.kind == "group" for term in self.terms for token in term)

    @property
    def pointwise(self) -> bool:
        """Every position stands alone: `...` in all terms."""
        return all(term == (Token("ellipsis"),) for term in self.terms)


@dataclass(frozen=True)
class Label:
    """The name of a dimension within one op. Equal labels are one axis; equal slots stand in the same place."""

    slot: str
    term: int = -1
    """The term that owns a primed label; -1 where the label is shared."""

    @property
    def ordered(self) -> bool:
        return self.term >= 0

    @property
    def free(self) -> bool:
        """A dimension of `...`: its axes need not lie side by side."""
        return self.slot.startswith(".")


AxisLabel = tuple[Label, int]
"""One axis within an op: its dimension's label, and which of that dimension's factors it is."""


@cache
def parse_pattern(text: str) -> Pattern:
    """Parse a declaration. Raises ValueError where it is malformed."""
    left, arrow, right = text.partition("->")
    if not arrow:
        if text.strip() != "...":
            message = f"a pattern needs '->': {text!r}"
            raise ValueError(message)
        left = right = text
    return Pattern(*(tuple(_term(t) for t in side.split(",")) for side in (left, right)))


def _term(text: str) -> tuple[Token, ...]:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            message = f"cannot read {text[position:]!r} in the pattern term {text!r}"
            raise ValueError(message)
        position = match.end()
        tokens.append(_token(match))
    return tuple(tokens)


def _token(match: re.Match[str]) -> Token:
    if match["group"] is not None:
        return Token("group", match["group"], members=tuple(match["group"].split()))
    if match["dims"]:
        return Token("dims", match["dims"], primed=bool(match["p1"] or match["p3"]))
    if match["name"] is None:
        return Token("ellipsis")
    if match["name"] == "1":
        return Token("unit")
    kind = "star" if match["star"] else "name"
    return Token(kind, match["name"], bool(match["p2"]), bool(match["opt"]))


def normalize_dims(dims: Any, rank: int) -> tuple[int, ...]:
    """An argument that names dimensions, as non-negative ints; None and () mean all of them."""
    if dims is None or (isinstance(dims, list | tuple) and not dims):
        return tuple(range(rank))
    return tuple(d % max(rank, 1) for d in (dims if isinstance(dims, list | tuple) else (dims,)))


def expand_stars(tokens: Sequence[Token], count: int) -> tuple[Token, ...]:
    """`*s` as s0 s1 ..., `count` of them."""
    out: list[Token] = []
    for token in tokens:
        out += (
            [replace(token, kind="name", name=f"{token.name}{i}") for i in range(count)]
            if token.kind == "star"
            else [token]
        )
    return tuple(out)


def spatial_rank(terms: Sequence[Sequence[Token]], ranks: Sequence[int]) -> int:
    """How many dimensions a `*name` stands for: told by the first term that has one beside fixed names only."""
    for term, rank in zip(terms, ranks, strict=True):
        stars = sum(t.kind == "star" for t in term)
        if stars and not any(t.kind == "ellipsis" or t.optional for t in term):
            return (rank - (len(term) - stars)) // stars
    return 0


Dim = tuple[Label, ...]
"""The labels of one dimension: one, or several for a group."""


def bind_pattern(
    pattern: Pattern, ranks: Sequence[int], args: Mapping[str, Any]
) -> list[tuple[Dim, ...]] | None:
    """For each term (operands, then results) the labels of each dimension; None where the ranks do not fit.

    The pattern has exactly as many terms as there are ranks. An optional name that is absent has no entry.
    """
    terms, count = pattern.terms, spatial_rank(pattern.terms, ranks)
    acted = _acted(terms, ranks, args)
    bound: list[tuple[Dim, ...]] = []
    for index, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        if acted is None or not any(t.kind == "ellipsis" for t in term):
            dims = _bind_names(expand_stars(term, count), index, rank)
        else:
            dims = _bind_dims(term, index, rank, *acted)
        if dims is None:
            return None
        bound.append(dims)
    return bound


def _bind_names(term: tuple[Token, ...], index: int, rank: int) -> tuple[Dim, ...] | None:
    wide = any(t.kind == "ellipsis" for t in term)
    if not wide and len(term) != rank:
        term = tuple(t for t in term if not t.optional)
    free = rank - (len(term) - wide)
    if free < 0 or (free and not wide):
        return None
    dims: list[Dim] = []
    for token in term:
        if token.kind == "ellipsis":
            dims += [(Label(f".{i - free}"),) for i in range(free)]
        elif token.kind == "group":
            dims.append(tuple(Label(name) for name in token.members))
        else:
            dims.append((Label(token.name or f"1@{index}", index if token.primed else -1),))
    return tuple(dims)


def _acted(
    terms: Sequence[tuple[Token, ...]], ranks: Sequence[int], args: Mapping[str, Any]
) -> tuple[int, tuple[int, ...]] | None:
    """Of an op that names dimensions by an argument: the rank they refer to, and which they are."""
    for term, rank in zip(terms, ranks, strict=True):
        for token in term:
            if token.kind == "dims":
                return rank, normalize_dims(args.get(token.name), rank)
    return None


def _bind_dims(
    term: tuple[Token, ...], index: int, rank: int, full: int, acted: tuple[int, ...]
) -> tuple[Dim, ...] | None:
    """Slots are positions in the term that has them all: where dimensions are dropped, the others keep their place."""
    primed = any(t.primed for t in term) or not any(t.kind == "dims" for t in term)
    kept = range(full) if rank == full else [d for d in range(full) if d not in acted]
    if len(kept) != rank or any(d >= full for d in acted):
        return None
    return tuple(
        (Label(f"[{d}", index if primed else -1),) if d in acted else (Label(f".{d}"),)
        for d in kept
    )
