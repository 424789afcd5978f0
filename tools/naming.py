"""Names and docstrings: a function is named by a verb, and a docstring is a sentence.

A function whose name begins with a participle breaks the rule: `moved`, `_padded_size`, `sharing`.
Not looked at are properties (a value may be `ordered`), converters under `@lowering` (their names
are ATen's), names with two underscores at both ends, and words that only end like a participle
(`seed`) or are nouns of the field (`padding`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TypeGuard

from source_files import (
    RULED,
    Documented,
    Function,
    Source,
    Violation,
    decorator_names,
    functions,
    is_converter,
)

NOUNS = frozenset(
    [
        "beginning",
        "broadcasting",
        "ceiling",
        "embedding",
        "encoding",
        "lowering",
        "meaning",
        "padding",
        "pooling",
        "string",
    ]
)
"""Words in -ing that name a thing, in the dictionary or in the field."""

VERBS = frozenset(
    ["bring", "embed", "exceed", "feed", "need", "ping", "proceed", "seed", "speed", "swing"]
)
"""Verbs whose plain form ends like a participle."""

IRREGULAR_WORDS = """
beaten begun bent blown bought broken brought built caught chosen dealt done drawn driven eaten
fallen fed felt flown forgotten fought found frozen given gone grown heard held hidden kept known
laid led lent lost made meant met paid proven risen said seen sent shaken shown shrunk slept sold
sought spelt spent spoken spun stolen struck stuck sung sunk swept taken taught thought thrown
told torn understood woken won worn woven written
"""
"""Participles in neither -ed nor -ing; `left`, `bound` and `cut` are other words too."""

IRREGULAR = frozenset(IRREGULAR_WORDS.split())

PREFIX = re.compile(r"^(mis|out|over|pre|re|un)(?=..)")

FIELD_NAMES = {
    "masked_fill": "aten.masked_fill",
    "masked_scatter": "aten.masked_scatter",
    "masked_select": "aten.masked_select",
    "named_buffers": "torch.nn.Module.named_buffers",
    "named_modules": "torch.nn.Module.named_modules",
    "named_parameters": "torch.nn.Module.named_parameters",
    "scaled_dot_product_attention": "aten.scaled_dot_product_attention",
    "searchsorted": "aten.searchsorted",
}
"""Names and beginnings of names that repeat one of PyTorch, and which."""

WORDS = 3
"""A sentence has at least so many words."""

SENTENCE = re.compile(r"""[A-Z0-9`"'(*<].*[.:]$""", re.DOTALL)


def is_participle(word: str) -> bool:
    """Whether a word is a participle, by its ending or by the list of the irregular ones."""
    if word in NOUNS or word in VERBS:
        return False
    if word in IRREGULAR or PREFIX.sub("", word) in IRREGULAR:
        return True
    stem = re.sub(r"(ed|ing)$", "", word)
    # A stem without a vowel is no verb: `red`, `string`, `thing`.
    return stem != word and re.search("[aeiouy]", stem) is not None


def is_named_freely(function: Function) -> bool:
    """Whether the name of a function is our own choice, and the name of an act."""
    decorators = decorator_names(function)
    if is_converter(function) or "property" in decorators or "cached_property" in decorators:
        return False
    plain = function.name.lstrip("_")
    mirrors = any(plain == name or plain.startswith(f"{name}_") for name in FIELD_NAMES)
    return not function.name.startswith("__") and not mirrors


def begins_with_participle(function: Function) -> bool:
    """Whether the first word of a function's name is a participle that has no excuse."""
    first = function.name.lstrip("_").partition("_")[0]
    return is_named_freely(function) and is_participle(first)


def is_public(node: ast.stmt) -> TypeGuard[ast.ClassDef | Function]:
    """Whether a statement defines a function or class for others, and is no converter."""
    if isinstance(node, ast.ClassDef):
        return not node.name.startswith("_")
    return isinstance(node, Function) and not node.name.startswith("_") and not is_converter(node)


def check_names(source: Source) -> Iterator[Violation]:
    """Yield each function of a file of `RULED` whose name begins with a participle."""
    if source.path.parts[0] not in RULED:
        return
    for function in functions(source.tree):
        if begins_with_participle(function):
            message = f"function {function.name} is named by a participle: a verb says what it does"
            yield Violation(source.path, function.lineno, message)


def check_docstrings(source: Source) -> Iterator[Violation]:
    """Yield each docstring of `RULED` that is no sentence, and what is public without one."""
    if source.path.parts[0] not in RULED:
        return
    for node in ast.walk(source.tree):
        if isinstance(node, Documented) and (text := ast.get_docstring(node)) is not None:
            yield from check_sentence(source, node.body[0].lineno, text)
    for node in source.tree.body:
        if is_public(node) and ast.get_docstring(node) is None:
            yield Violation(source.path, node.lineno, f"{node.name} is public and has no docstring")


def check_sentence(source: Source, line: int, docstring: str) -> Iterator[Violation]:
    """Yield what keeps the first paragraph of a docstring from being a sentence."""
    paragraph = docstring.partition("\n\n")[0].strip()
    words = paragraph.split()
    if words and words[0] == "Of":
        yield Violation(source.path, line, 'the docstring begins with "Of": say what is returned')
    elif len(words) < WORDS or not SENTENCE.match(paragraph):
        message = "the docstring does not begin with a sentence: a capital, three words, a period"
        yield Violation(source.path, line, message)
