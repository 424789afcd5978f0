"""The pattern language: one line says which axes of an op's operands and results are the same.

    "n c *s', f c *k', f -> n f *s'"    a term for each tensor argument of the schema, then for
                                        each result

    name      one dimension
    *name     one dimension for each spatial rank (the same number in every term)
    ...       the other dimensions; broadcasting aligns them at the right
    [arg]     the dimensions that the argument `arg` names (an int or a list of ints)
    name?     absent when the input has no batch
    (a b)     one dimension made of two
    1         a dimension of size one
    '         a prime: order inside the dimension matters, and its size may change; without one,
              the op treats all positions of the axis alike, and equal names are the same axis

`parse_pattern` gives terms of tokens; `bind_pattern` gives them a node's ranks and arguments, and
answers with one label a dimension.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from itertools import chain
from typing import Any

from torch2keras.declarations.labels import Dim, Label, LabelKind, Slot

TOKEN = re.compile(
    r"""\s* (?: (?P<ellipsis> \.\.\. )
            | \( (?P<group> [^)]* ) \)
            | \[ (?P<argument> \w+ ) (?P<prime_inside> '? ) \] (?P<prime_behind> '? )
            | (?P<star> \*? ) (?P<name> \w+ ) (?P<prime> '? ) (?P<optional> \?? ) )""",
    re.VERBOSE,
)


class TokenKind(Enum):
    """What one word of a term stands for."""

    NAME = "name"
    STAR = "*name"
    ELLIPSIS = "..."
    ARGUMENT = "[arg]"
    GROUP = "(a b)"
    UNIT = "1"


@dataclass(frozen=True)
class Token:
    """One word of a term."""

    kind: TokenKind
    name: str = ""
    """Of `*name` the name before it is numbered, of `[arg]` the argument."""
    slots: tuple[Slot, ...] = ()
    """Of a name its slot, of a group those of its members."""
    primed: bool = False
    optional: bool = False


Term = tuple[Token, ...]
"""The dimensions of one operand or result."""


@dataclass(frozen=True)
class Pattern:
    """Terms of the operands and of the results."""

    operands: tuple[Term, ...]
    results: tuple[Term, ...]

    @property
    def terms(self) -> tuple[Term, ...]:
        """The terms of the operands, then those of the results."""
        return self.operands + self.results

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The words of all terms."""
        return tuple(chain.from_iterable(self.terms))

    @property
    def names(self) -> frozenset[str]:
        """The names of dimensions, and that which numbered ones share: `s` of `s0` and `s1`."""
        names: set[str] = set()
        for token in self.tokens:
            if token.kind is TokenKind.STAR:
                names.add(token.name)
            if token.kind is not TokenKind.ARGUMENT:
                for slot in token.slots:
                    names |= {slot.text, slot.name}
        return frozenset(names)

    @cached_property
    def argument_names(self) -> frozenset[str]:
        """The arguments of the op that name dimensions."""
        return frozenset(t.name for t in self.tokens if t.kind is TokenKind.ARGUMENT)

    @property
    def has_groups(self) -> bool:
        """Whether one dimension is made of two somewhere."""
        return has_kind(self.tokens, TokenKind.GROUP)

    @property
    def is_pointwise(self) -> bool:
        """Whether every position stands alone: `...` in all terms."""
        return all(term == (Token(TokenKind.ELLIPSIS),) for term in self.terms)


def has_kind(term: Sequence[Token], kind: TokenKind) -> bool:
    """Return whether a term has a word of this kind."""
    return any(token.kind is kind for token in term)


@cache
def parse_pattern(text: str) -> Pattern:
    """Return the terms of a declaration. Raises ValueError where it is malformed."""
    left, arrow, right = text.partition("->")
    if not arrow:
        if text.strip() != "...":
            message = f"a pattern needs '->': {text!r}"
            raise ValueError(message)
        left = right = text
    return Pattern(_parse_side(left), _parse_side(right))


def _parse_side(text: str) -> tuple[Term, ...]:
    return tuple(_parse_term(term) for term in text.split(","))


def _parse_term(text: str) -> Term:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = TOKEN.match(text, position)
        if not match:
            message = f"cannot read {text[position:]!r} in the pattern term {text!r}"
            raise ValueError(message)
        position = match.end()
        tokens.append(_parse_token(match))
    return tuple(tokens)


def _parse_token(match: re.Match[str]) -> Token:
    name, primed = match["name"], bool(match["prime"])
    if match["ellipsis"]:
        return Token(TokenKind.ELLIPSIS)
    if match["group"] is not None:
        return Token(TokenKind.GROUP, slots=tuple(map(Slot.of_name, match["group"].split())))
    if match["argument"]:
        primed = bool(match["prime_inside"] or match["prime_behind"])
        slot = Slot.of_name(match["argument"])  # for terms without `...`, where it is a name
        return Token(TokenKind.ARGUMENT, match["argument"], (slot,), primed)
    if name == "1":
        return Token(TokenKind.UNIT)
    optional = bool(match["optional"])
    if match["star"]:
        return Token(TokenKind.STAR, name, primed=primed, optional=optional)
    return Token(TokenKind.NAME, name, (Slot.of_name(name),), primed, optional)


def normalize_dims(dims: Any, rank: int) -> tuple[int, ...]:
    """Return an argument that names dimensions as non-negative ints.

    None and () mean all of them.
    """
    if isinstance(dims, int):
        dims = (dims,)
    if dims is None or not dims:
        return tuple(range(rank))
    return tuple(dim % max(rank, 1) for dim in dims)


def expand_stars(term: Sequence[Token], count: int) -> Term:
    """Return a term with `*s` as s0 s1 ..., `count` of them."""
    expanded: list[Token] = []
    for token in term:
        if token.kind is not TokenKind.STAR:
            expanded.append(token)
            continue
        for number in range(count):
            slot = Slot(LabelKind.NAMED, token.name, number)
            expanded.append(
                Token(TokenKind.NAME, token.name, (slot,), token.primed, token.optional)
            )
    return tuple(expanded)


def spatial_rank(terms: Sequence[Term], ranks: Sequence[int]) -> int:
    """Return how many dimensions a `*name` stands for; 0 where there is none.

    The first term tells that has one beside names that are always there.
    """
    for term, rank in zip(terms, ranks, strict=True):
        stars = sum(token.kind is TokenKind.STAR for token in term)
        vague = any(token.kind is TokenKind.ELLIPSIS or token.optional for token in term)
        if stars and not vague:
            return (rank - (len(term) - stars)) // stars
    return 0


def bind_pattern(
    pattern: Pattern, ranks: Sequence[int], args: Mapping[str, Any]
) -> list[tuple[Dim, ...]] | None:
    """Return for each term the labels of each dimension; None where the ranks do not fit.

    `ranks` are of the operands, then of the results: as many as the pattern has terms. An optional
    name that is absent has no entry.
    """
    count = spatial_rank(pattern.terms, ranks)
    acted = _find_acted_dims(pattern.terms, ranks, args)
    bound: list[tuple[Dim, ...]] = []
    for index, (term, rank) in enumerate(zip(pattern.terms, ranks, strict=True)):
        if acted is None or not has_kind(term, TokenKind.ELLIPSIS):
            dims = _bind_names(expand_stars(term, count), index, rank)
        else:
            dims = _bind_positions(term, index, rank, acted)
        if dims is None:
            return None
        bound.append(dims)
    return bound


def _bind_names(term: Term, index: int, rank: int) -> tuple[Dim, ...] | None:
    """Return the labels of a term whose dimensions are told by their names.

    `...` takes the rest.
    """
    wide = has_kind(term, TokenKind.ELLIPSIS)
    if not wide and len(term) != rank:
        term = tuple(token for token in term if not token.optional)
    rest = rank - (len(term) - wide)
    if rest < 0 or (rest and not wide):
        return None
    dims: list[Dim] = []
    for token in term:
        if token.kind is TokenKind.ELLIPSIS:
            # Counted from the right, as broadcasting aligns them.
            dims += [(Label.free(position - rest),) for position in range(rest)]
        elif token.kind is TokenKind.UNIT:
            dims.append((Label.unit(index),))
        elif token.primed:
            dims.append((Label(token.slots[0], index),))
        else:
            dims.append(tuple(map(Label, token.slots)))
    return tuple(dims)


@dataclass(frozen=True)
class _ActedDims:
    """The dimensions that an argument names, and the rank of the tensor that it speaks of."""

    dims: tuple[int, ...]
    rank: int


def _find_acted_dims(
    terms: Sequence[Term], ranks: Sequence[int], args: Mapping[str, Any]
) -> _ActedDims | None:
    """Return the dimensions that the first `[arg]` of the pattern names; None where it has none."""
    for term, rank in zip(terms, ranks, strict=True):
        for token in term:
            if token.kind is TokenKind.ARGUMENT:
                return _ActedDims(normalize_dims(args.get(token.name), rank), rank)
    return None


def _bind_positions(term: Term, index: int, rank: int, acted: _ActedDims) -> tuple[Dim, ...] | None:
    """Return the labels of a term with `...`, of an op that names dimensions by an argument.

    Slots are positions in the term that has all dimensions: where some are dropped, the others keep
    their place.
    """
    named = has_kind(term, TokenKind.ARGUMENT)
    primed = any(token.primed for token in term)
    kept = list(range(acted.rank))
    if rank != acted.rank:
        kept = [dim for dim in kept if dim not in acted.dims]
    if len(kept) != rank or any(dim >= acted.rank for dim in acted.dims):
        return None
    # A term that keeps these dimensions without naming them has them in an order of its own.
    owner = index if primed or not named else -1
    labels: list[Label] = []
    for dim in kept:
        if dim in acted.dims:
            labels.append(Label(Slot.of_argument(dim), owner))
        else:
            labels.append(Label.free(dim))
    return tuple((label,) for label in labels)
