"""What differs among the pieces of a template becomes the arguments of its function.

Columns of constants that are equal are one argument; a multiple of another is written as one; what
goes along with another (`padding="valid"` where `strides > 1`) is chosen by it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter, not_

from torch2keras.keras_graph.layer_names import sanitize
from torch2keras.keras_graph.source.columns import (
    Column,
    agree,
    covers,
    fill_column,
    find_condition,
    find_ratio,
    is_half,
    is_integer,
    map_known,
    values_of,
)
from torch2keras.keras_graph.source.expressions import (
    NAME,
    ChannelCondition,
    Choice,
    Condition,
    Expression,
    Fixed,
    LayerKind,
    Scaled,
    Text,
    Variable,
    join_text,
    tokens_of,
)
from torch2keras.keras_graph.source.identifiers import find_free_name, identifier, snake_case
from torch2keras.keras_graph.source.lines import CallTree, Gap, Layer, Line, gaps_of
from torch2keras.keras_graph.source.templates import Template, TemplateLine

PRIMARY = ("filters", "units", "kernel_size", "strides", "dilation_rate")
"""Arguments of layers by which others are told."""


NONE = Fixed(None)
"""The default of an argument that what is left out has none of."""

PADDING_NAME = "pad"
"""The local variable for the padding that goes along with strides."""

PLACE_NAMES = ("k", "m")
"""The numbers of modules in a Sequential, behind one that may be there and behind two."""

FEWEST_PIECES = 3
"""Pieces from which on it is no chance that numbers go along with each other."""


@dataclass(frozen=True)
class Parameter:
    """An argument of a function."""

    name: str
    values: tuple[Expression, ...]
    """Its value for each piece."""
    default: Fixed | None


class ArgumentCollector:
    """Collects the arguments of a function."""

    def __init__(
        self, template: Template, classes: Mapping[int, str], channels: Mapping[int, int]
    ) -> None:
        self.template, self.classes, self.channels = template, classes, channels
        self.columns: dict[str, Column] = {}
        self.defaults: dict[str, Fixed | None] = {}
        self.flags: dict[tuple[bool, ...], Condition] = {}
        self.locals: dict[str, Expression | ChannelCondition] = {}
        """Local variable -> what it is."""
        self.places: dict[str, list[int]] = {}
        """Local number of a module in a Sequential -> what it is in each piece."""

    def fill(self) -> list[Line]:
        """Return the lines with an expression in each gap.

        Numbers come first, then what decides whether lines run, so that what goes along with them
        can be told by them.
        """
        filled: dict[tuple[int, int], Expression] = {}
        for wanted in (0, 1, 2):
            for place, line, gap, column in self._yield_gaps():
                if _rank(gap, column) == wanted:
                    filled[place, gap.place] = self._express(line, gap, column)
            if wanted == 1:
                self._find_presences()
        lines = []
        for place, line in enumerate(self.template.lines):
            gaps = [filled[place, gap.place] for gap in gaps_of(line.tree)]
            lines.append(
                Line(
                    line.tree,
                    gaps,
                    line.reads,
                    line.makes,
                    line.path,
                    line.otherwise,
                    line.source,
                )
            )
        return lines

    def _yield_gaps(self) -> Iterator[tuple[int, TemplateLine, Gap, Column]]:
        """Yield each gap with the place of its line, the line, and what stands in it."""
        for place, line in enumerate(self.template.lines):
            for gap in gaps_of(line.tree):
                yield place, line, gap, map_known(itemgetter(gap.place), line.rows)

    def _find_presences(self) -> None:
        for line in self.template.lines:
            if not all(line.present):
                self.find_presence(line)

    def _express(self, line: TemplateLine, gap: Gap, column: Column) -> Expression:
        known: list[Expression] = values_of(column)
        if all(value == known[0] for value in known):
            return known[0]
        if gap.label == "name" or any(isinstance(value, Text) for value in known):
            return self._express_text(line, gap, column)
        same = self._find_equal(column) or self._find_multiple(column) or self._choose(column)
        if gap.label == "padding" and isinstance(same, Choice):
            return self._name_local(PADDING_NAME, same)
        return same or self._add(line, gap, column)

    def _name_local(self, label: str, local: Expression | ChannelCondition) -> Variable:
        """Return the local variable that is this, a new one if there is none yet."""
        for name, other in self.locals.items():
            if other == local:
                return Variable(name)
        name = label
        if label in {*self.columns, *self.locals}:
            name = self._find_free_name(label)
        self.locals[name] = local
        return Variable(name)

    def _shift(self, column: Sequence[int | None]) -> Expression | None:
        """Return a number that is higher where a condition holds, as `k + 2`.

        Modules behind optional ones in a Sequential are numbered so; behind a second option, from
        the number behind the first on.
        """
        for name, places in self.places.items():
            pairs = zip(column, places, strict=True)
            offsets = {number - place for number, place in pairs if number is not None}
            if len(offsets) == 1:
                return Scaled(name, 1, offsets.pop())
        shift = self._shift_from(column, None)
        for name, places in list(self.places.items()):
            if shift is None:
                shift = self._shift_from(column, name, places)
        return shift

    def _shift_from(
        self, column: Sequence[int | None], start: str | None, places: Sequence[int] = ()
    ) -> Expression | None:
        """Return a number as a local one that counts one option more than `start` does.

        `places` are the values of `start` in each piece.
        """
        steps = list(column)
        if start is not None:
            steps = [None if a is None else a - b for a, b in zip(column, places, strict=True)]
        numbers = values_of(steps)
        low, high = min(numbers), max(numbers)
        if {*numbers} != {low, high} or low == high:
            return None
        choice = self._choose(map_known(lambda number: Fixed(number - low), steps))
        if choice is None or choice.otherwise != Fixed(0):
            return None
        if start is not None:
            choice = Choice(choice.condition, Scaled(start, 1, high), Scaled(start, 1, low))
            low = 0
        name = self._name_local(PLACE_NAMES[start is not None], choice).name
        known = values_of(column)
        if len(known) == len(column):
            self.places[name] = [number - low for number in known]
        return Scaled(name, 1, low) if low else Variable(name)

    def _express_text(self, line: TemplateLine, gap: Gap, column: Column) -> Expression:
        """Return names that differ in numbers as one text; others are given whole."""
        rows = map_known(tokens_of, column)
        lengths = set(map(len, values_of(rows)))
        is_aligned = len(lengths) == 1
        parts: list[str | Expression] = []
        for place in range(min(lengths)):
            tokens = map_known(itemgetter(place), rows)
            kinds = set(values_of(tokens))
            if len(kinds) == 1:
                parts.append(kinds.pop())
            elif is_aligned and all(str(kind).isdigit() for kind in kinds):
                number = Gap(gap.place, "index")
                parts.append(self._express_number(line, number, map_known(int, tokens)))
            else:
                is_aligned = False
                break
        if is_aligned:
            return join_text(tuple(parts))
        chosen = self._choose(column)
        if chosen is not None:
            return chosen
        whole: list[Expression | None] = []
        for value, body in zip(column, self.template.bodies, strict=True):
            whole.append(None if value is None else _write_out(value, sanitize(body.path)))
        return self._find_equal(whole) or self._choose(whole) or self._add(line, gap, whole)

    def _express_number(
        self, line: TemplateLine, gap: Gap, numbers: Sequence[int | None]
    ) -> Expression:
        """Return a number within names that differs among the pieces."""
        column = map_known(Fixed, numbers)
        same = self._find_index(column) or self._shift(numbers) or self._choose(column)
        return same or self._add(line, gap, column)

    def _find_equal(self, column: Column, names: Collection[str] = ()) -> Expression | None:
        """Return the argument that is the same, looked for among `names`, or among all."""
        for name in names or list(self.columns):
            other = self.columns[name]
            if agree(column, other):
                self.columns[name] = fill_column(other, column)
                return Variable(name)
        return None

    def _find_index(self, column: Column) -> Expression | None:
        """Return the argument that is the same number within names; no other number is meant."""
        names = [name for name in self.columns if name.endswith("index")]
        return self._find_equal(column, names) if names else None

    def _find_multiple(self, column: Column) -> Expression | None:
        for name, other in self.columns.items():
            factor = find_ratio(column, other)
            if factor is not None and covers(other, column):
                return Scaled(name, factor)
            divisor = find_ratio(other, column)
            if divisor is not None and covers(other, column):
                return Scaled(name, divisor=divisor)
            if is_half(column, other):
                return Scaled(name, divisor=2)
        return None

    def _choose(self, column: Column) -> Choice | None:
        """Return a choice between two constants by an argument that goes along with them."""
        kinds = []
        for value in dict.fromkeys(values_of(column)):
            if not isinstance(value, Fixed | Text):
                return None
            if isinstance(value, Fixed) and isinstance(value.value, LayerKind):
                return None
            kinds.append(value)
        if len(kinds) != 2:
            return None
        for kind, other in (kinds, kinds[::-1]):
            condition = self._find_condition(map_known(kind.__eq__, column))
            if condition is not None:
                return Choice(condition, kind, other)
        return None

    def _find_condition(self, wanted: Sequence[bool | None]) -> Condition | None:
        """Return a condition by the arguments so far that holds for the wanted pieces alone."""
        for name, column in self.columns.items():
            condition = find_condition(name, column, wanted)
            if condition is not None:
                return condition
        for present, condition in self.flags.items():
            pairs = zip(wanted, present, strict=True)
            if all(want in (None, has) for want, has in pairs):
                return condition
        return None

    def find_presence(self, line: TemplateLine) -> Condition:
        """Return when a line runs; a new argument where the others do not tell."""
        present = line.present
        if present in self.flags:
            return self.flags[present]
        condition = self._find_condition(present)
        if condition is None:
            opposite = self.flags.get(tuple(map(not_, present)))
            if opposite is not None and not opposite.operator:
                condition = Condition(f"not {opposite.variable}")
        condition = condition or self._find_none(present) or self._compare_channels(line)
        if condition is None:
            name = self._find_free_name(self._name_option(line))
            self.columns[name] = list(map(Fixed, present))
            self.defaults[name] = Fixed(value=False)
            condition = Condition(name)
        self.flags[present] = condition
        return condition

    def _find_none(self, present: Sequence[bool]) -> Condition | None:
        """Return the argument that lines alone have which run so, as a condition: it may be None.

        `if se_filters:` tells as much as an argument more for whether they run.
        """
        for name, column in self.columns.items():
            known: list[Expression] = values_of(column)
            is_true = all(isinstance(value, Fixed) and bool(value.value) for value in known)
            if is_true and [value is not None for value in column] == [*present]:
                self.columns[name] = fill_column(column, [NONE] * len(column))
                self.defaults[name] = NONE
                return Condition(name)
        return None

    def _compare_channels(self, line: TemplateLine) -> Condition | None:
        """Return a local variable for whether an input has as many channels as an argument says.

        A residual connection, and what widens its input, are there for that reason. Of two pieces
        nearly each number would tell so, and none is believed.
        """
        if len(line.present) < FEWEST_PIECES:
            return None
        for read in self.template.ins:
            sizes = [self.channels.get(bound[read]) for bound in self.template.bindings]
            for name, column in self.columns.items():
                found = None
                if is_integer(column) and None not in [*column, *sizes]:
                    same = [Fixed(size) == value for size, value in zip(sizes, column, strict=True)]
                    found = self._find_channel_condition(read, name, same, line.present)
                if found is not None:
                    label = "change" if found.operator == "!=" else "same"
                    return Condition(self._name_local(label, found).name)
        return None

    def _find_channel_condition(
        self, read: int, name: str, same: Sequence[bool], present: Sequence[bool]
    ) -> ChannelCondition | None:
        """Return whether lines run where channels are the `same`, or other ones, or with strides.

        `same` and `present` tell for each piece whether they are the same, and the lines run.
        """
        if list(map(not_, same)) == [*present]:
            return ChannelCondition(read, "!=", name)
        if [*same] == [*present]:
            return ChannelCondition(read, "==", name)
        wanted: list[bool | None] = []
        for is_same, has in zip(same, present, strict=True):
            if has and not is_same:
                return None
            wanted.append(has if is_same else None)
        also = self._find_condition(wanted)
        if also is not None and also.operator:
            return ChannelCondition(read, "==", name, also)
        return None

    def _name_option(self, line: TemplateLine) -> str:
        """Return what an option is called: the submodule, or what is done."""
        function = getattr(line.tree, "function", None)
        if isinstance(function, int):
            return f"with_{snake_case(self.classes[function])}"
        always = {one.path.partition(".")[0] for one in self.template.lines if all(one.present)}
        telling = [step for step in _words_of(line.path) if step not in always]
        if telling:
            return telling[0]
        if isinstance(function, Layer):
            return f"with_{snake_case(function.cls or 'activation')}"
        if isinstance(function, str):
            return f"with_{function.rpartition('.')[2]}"
        return "option"

    def _add(self, line: TemplateLine, gap: Gap, column: Column) -> Expression:
        label = gap.label
        if label in ("name", "x", "index") or label in self.columns:
            label = self._lengthen_label(line, label)
        name = self._find_free_name(label)
        self.columns[name] = column
        self.defaults[name] = _find_default(gap, column)
        return Variable(name)

    def _lengthen_label(self, line: TemplateLine, label: str) -> str:
        """Return a label with what tells it from another one: the end, or the submodule."""
        if isinstance(line.tree, CallTree) and isinstance(line.tree.function, int):
            return f"{_abbreviate(self.classes[line.tree.function])}_{label}"
        holders = [one for _, one, gap, _ in self._yield_gaps() if gap.label == label]
        if label in PRIMARY and holders and holders[-1] is line:
            return f"out_{label}"
        return "_".join([*_words_of(line.path)[-1:], label])

    def _find_free_name(self, label: str) -> str:
        return find_free_name(identifier(label), {*self.columns, *self.locals, NAME.name})

    def parameter(self, name: str) -> Parameter:
        """Return an argument by its name; pieces that do not use it get another piece's value."""
        column = self.columns[name]
        default = self.defaults[name]
        known: list[Expression] = values_of(column)
        spare = default or known[0]
        values = tuple(value or spare for value in column)
        return Parameter(name, values, default)


def _rank(gap: Gap, column: Column) -> int:
    """Return when a column is looked at: numbers first, those by which others are told before.

    So are fractions of lines that not all pieces have: such an argument may be None.
    """
    if is_integer(column):
        return int(gap.label not in PRIMARY)
    numbers = [value.value for value in values_of(column) if isinstance(value, Fixed)]
    is_optional = None in column and bool(numbers)
    return 1 if is_optional and set(map(type, numbers)) == {float} else 2


def _abbreviate(cls: str) -> str:
    """Return a class's one word, or the first letters of several."""
    words = snake_case(cls).split("_")
    if len(words) == 1:
        return words[0]
    return "".join(word[0] for word in words)


def _words_of(path: str) -> list[str]:
    """Return the names on a path of modules, without the numbers."""
    return [step for step in path.split(".") if step and not step.isdigit()]


def _write_out(name: Expression, prefix: str) -> Expression:
    """Return a name that begins with that of its piece as it is in the model."""
    if not isinstance(name, Text):
        return name
    parts = [prefix if part == NAME else part for part in name.parts]
    return Fixed("".join(map(str, parts)))


def _find_default(gap: Gap, column: Column) -> Fixed | None:
    """Return the value that may be left out where the function is called: Keras's own."""
    if gap.default == "":
        return None
    for value in column:
        if isinstance(value, Fixed) and value.key == gap.default:
            return value
    return None
