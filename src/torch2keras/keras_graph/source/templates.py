"""Several pieces of code as one: what they share as lines, what only some have as options.

The pieces are aligned line by line. A line that one piece lacks becomes an option; where the piece
reads another value instead of the option's result, that result is the other value whenever the
option is left out (`shortcut = x`, and `if projection: shortcut = conv(x)`). What cannot be told so
is not one function.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch2keras.keras_graph.source.expressions import Expression, Fixed, Text
from torch2keras.keras_graph.source.lines import Line, Node

LARGEST_TABLE = 250_000
"""Cells of the table of an alignment; longer pieces are not compared."""


@dataclass(eq=False)
class Body:
    """The lines of one piece, and what it takes from outside and gives."""

    path: str
    lines: list[Line]
    ins: list[int]
    outs: list[int]


@dataclass(eq=False)
class TemplateLine:
    """A line with its gaps in each piece; None where the piece lacks the line."""

    tree: Node
    reads: list[int]
    makes: list[int]
    path: str
    """The path of the module, relative to the piece's own."""
    rows: list[list[Expression] | None]
    """The gaps in each piece."""
    otherwise: dict[int, int] = field(default_factory=dict)
    source: str = ""
    """The line of the user's code that it comes from."""

    @property
    def present(self) -> tuple[bool, ...]:
        """Whether each piece has the line."""
        return tuple(row is not None for row in self.rows)


@dataclass(eq=False)
class Template:
    """Lines that stand for several pieces."""

    lines: list[TemplateLine]
    ins: list[int]
    outs: list[int]
    bodies: list[Body]
    bindings: list[dict[int, int]]
    """For each piece: value of the template -> value of the piece."""


def start_template(body: Body) -> Template:
    """Return the template of one piece alone."""
    lines = []
    for line in body.lines:
        otherwise = dict(line.otherwise)
        path = relative_path(line.path, body.path)
        lines.append(
            TemplateLine(
                line.tree,
                list(line.reads),
                list(line.makes),
                path,
                [line.gaps],
                otherwise,
                line.source,
            )
        )
    values = {*body.ins, *body.outs}
    for line in body.lines:
        values.update(line.reads, line.makes)
    binding = dict(zip(values, values, strict=True))
    return Template(lines, list(body.ins), list(body.outs), [body], [binding])


def relative_path(path: str, around: str) -> str:
    """Return a module's path as seen from one around it."""
    if not around:
        return path
    return path[len(around) + 1 :] if path.startswith(f"{around}.") else ""


def merge(template: Template, body: Body) -> Template | None:
    """Return a template for one more piece, or None where it is too different."""
    if len(template.outs) != len(body.outs):
        return None
    if len(template.lines) * len(body.lines) > LARGEST_TABLE:
        return None
    pairs = align(template, body)
    merger = _Merger(template, body)
    for old, new in pairs:
        if not merger.add(old, new):
            return None
    return merger.finish()


def align(template: Template, body: Body) -> list[tuple[TemplateLine | None, Line | None]]:
    """Pair the lines of both in order, as many and as like ones as possible."""
    olds, news = template.lines, body.lines
    score = [[0.0] * (len(news) + 1) for _ in range(len(olds) + 1)]
    likeness: dict[tuple[int, int], float] = {}
    for i in range(len(olds) - 1, -1, -1):
        for j in range(len(news) - 1, -1, -1):
            best = max(score[i + 1][j], score[i][j + 1])
            if _is_one_line(olds[i], news[j]):
                likeness[i, j] = _likeness(olds[i], news[j], body.path)
                best = max(best, score[i + 1][j + 1] + likeness[i, j])
            score[i][j] = best
    pairs: list[tuple[TemplateLine | None, Line | None]] = []
    i = j = 0
    while i < len(olds) and j < len(news):
        if (i, j) in likeness and score[i][j] == score[i + 1][j + 1] + likeness[i, j]:
            pairs.append((olds[i], news[j]))
            i, j = i + 1, j + 1
        elif score[i][j] == score[i + 1][j]:
            pairs.append((olds[i], None))
            i += 1
        else:
            pairs.append((None, news[j]))
            j += 1
    pairs += [(old, None) for old in olds[i:]]
    pairs += [(None, new) for new in news[j:]]
    return pairs


def _is_one_line(old: TemplateLine, new: Line) -> bool:
    """Whether two lines differ in their constants alone, not in how many values they make."""
    return old.tree == new.tree and len(old.makes) == len(new.makes)


def _likeness(old: TemplateLine, new: Line, path: str) -> float:
    """Return how much speaks for two lines with one tree being one line."""
    like = 10.0
    if old.path == relative_path(new.path, path):
        like += 0.1
    rows = [row for row in old.rows if row is not None]
    for gap, other in zip(rows[0], new.gaps, strict=True):
        if gap == other:
            like += 0.001
    return like


class _Merger:
    """Walks the pairs of an alignment, and holds which value of the piece is which."""

    def __init__(self, template: Template, body: Body) -> None:
        self.template, self.body = template, body
        self.bound: dict[int, int] = {}
        """Value of the template -> value of the piece."""
        self.lines: list[TemplateLine] = []
        self.instead: dict[tuple[int, int], int] = {}
        """(value of the template, value of the piece) -> an option's result that is both."""
        self.count = len(template.bodies)

    def add(self, old: TemplateLine | None, new: Line | None) -> bool:
        """Take one pair; False where the pieces differ in what flows where."""
        if old is None:
            assert new is not None
            return self._add_option(new)
        if new is None:
            kept = TemplateLine(
                old.tree,
                list(old.reads),
                old.makes,
                old.path,
                [*old.rows, None],
                old.otherwise,
                old.source,
            )
            self.lines.append(kept)
            for made, other in old.otherwise.items():
                if other in self.bound:
                    self.bound[made] = self.bound[other]
            return True
        reads = []
        for a, b in zip(old.reads, new.reads, strict=True):
            value = self._match(a, b)
            if value is None:
                return False
            reads.append(value)
        self.bound.update(zip(old.makes, new.makes, strict=True))
        rows = [*old.rows, new.gaps]
        self.lines.append(
            TemplateLine(
                old.tree, reads, old.makes, old.path, rows, dict(old.otherwise), old.source
            )
        )
        return True

    def _add_option(self, new: Line) -> bool:
        """Take a line that only the new piece has; its own values name those of the template."""
        known = {value: key for key, value in self.bound.items()}
        reads = []
        for value in new.reads:
            key = known.get(value)
            if key is None and value in self.body.ins:
                key = self._free_input(value)
            if key is None:
                return False
            reads.append(key)
        self.bound.update((made, made) for made in new.makes)
        rows: list[list[Expression] | None] = [None] * self.count
        path = relative_path(new.path, self.body.path)
        line = TemplateLine(new.tree, reads, new.makes, path, [*rows, new.gaps], source=new.source)
        self.lines.append(line)
        return True

    def _free_input(self, value: int) -> int | None:
        """Return the input of the template that a new input of the piece is, in their order."""
        place = self.body.ins.index(value)
        if place >= len(self.template.ins):
            return None
        key = self.template.ins[place]
        if key in self.bound:
            return None
        self.bound[key] = value
        return key

    def _match(self, old: int, new: int) -> int | None:
        """Return the value of the template that is `old` there and `new` in the piece."""
        if (old, new) in self.instead:
            return self.instead[old, new]
        if self.bound.get(old) == new:
            return old
        if old not in self.bound:
            if old in self.template.ins:
                if new in self.bound.values() or new not in self.body.ins:
                    return None
                self.bound[old] = new
                return old
            return self._leave_out(old, new)
        return self._split(old, new) or self._replace(old, new)

    def _maker(self, value: int) -> TemplateLine | None:
        for line in reversed(self.lines):
            if value in line.makes:
                return line
        return None

    def _leave_out(self, old: int, new: int) -> int | None:
        """The result of an option that the piece lacks: there it is another value."""
        maker = self._maker(old)
        if maker is None or maker.rows[-1] is not None:
            return None
        if old in maker.otherwise:
            return self._leave_out_again(old, new, maker.otherwise[old])
        others = [key for key, value in self.bound.items() if value == new and key != old]
        before = self._values_before(maker)
        others = [key for key in others if key in before or self._is_other_way(key, maker)]
        if not others:
            return None
        maker.otherwise = {**maker.otherwise, old: others[-1]}
        self.bound[old] = new
        return old

    def _leave_out_again(self, old: int, new: int, other: int) -> int | None:
        """The result of an option that others lack too: an input that nothing has read yet."""
        if other in self.bound or other not in self.template.ins:
            return None
        if new in self.bound.values() or new not in self.body.ins:
            return None
        self.bound.update({other: new, old: new})
        return old

    def _split(self, old: int, new: int) -> int | None:
        """The result of an option of which the piece has a first part: what that part makes.

        So far the whole option was there or not; now its last part may be left out alone.
        """
        last = self._maker(old)
        key = next((k for k, value in self.bound.items() if value == new and k != old), None)
        first = None if key is None else self._maker(key)
        if last is None or first is None or key is None or old not in last.otherwise:
            return None
        if last.rows[-1] is not None or first.rows[-1] is None or key in first.otherwise:
            return None
        if first.present[:-1] != last.present[:-1]:
            return None
        first.otherwise = {**first.otherwise, key: last.otherwise[old]}
        last.otherwise = {**last.otherwise, old: key}
        self.bound[old] = new
        return old

    def _replace(self, old: int, new: int) -> int | None:
        """The result of an option that the other pieces lack: there it is the old value."""
        key = next((k for k, value in self.bound.items() if value == new), None)
        maker = None if key is None else self._maker(key)
        if key is None or maker is None or any(maker.present[:-1]) or key in maker.otherwise:
            return None
        if old not in self._values_before(maker) and not self._is_other_way(old, maker):
            return None
        maker.otherwise = {**maker.otherwise, key: old}
        self.instead[old, new] = key
        return key

    def _values_before(self, maker: TemplateLine) -> set[int]:
        """Return the values that stand before a line, and do so whenever it does."""
        values = set(self.template.ins)
        for line in self.lines[: self.lines.index(maker)]:
            pairs = zip(line.present, maker.present, strict=False)
            if all(has or not needs for has, needs in pairs):
                values.update(line.makes)
            else:
                values.update(line.otherwise)
        return values

    def _is_other_way(self, value: int, maker: TemplateLine) -> bool:
        """Whether a value is made exactly where a line is left out: `if ...: else: ...`."""
        other = self._maker(value)
        if other is None:
            return False
        present = [*other.present, False][: len(maker.rows)]
        return all(a != b for a, b in zip(maker.present, present, strict=True))

    def finish(self) -> Template | None:
        """Return the new template, if what the pieces give is one too."""
        outs = []
        for old, new in zip(self.template.outs, self.body.outs, strict=True):
            value = self._match(old, new)
            if value is None:
                return None
            outs.append(value)
        ins = list(self.template.ins)
        if set(self.body.ins) != {self.bound[key] for key in ins if key in self.bound}:
            return None
        if any(key not in self.bound for key in ins):
            return None
        bindings = [*self.template.bindings, self.bound]
        bodies = [*self.template.bodies, self.body]
        return Template(self.lines, ins, outs, bodies, bindings)


def count_options(template: Template) -> int:
    """Return how many runs of lines only some pieces have."""
    runs = 0
    before = None
    for line in template.lines:
        if not all(line.present) and line.present != before:
            runs += 1
        before = line.present
    return runs


def rename_within(expression: Expression, prefix: str, variable: Expression) -> Expression:
    """Return a layer's name with the name of the piece as a variable, where it begins so."""
    if not isinstance(expression, Fixed) or not isinstance(expression.value, str):
        return expression
    name = expression.value
    if name == prefix:
        return Text((variable,))
    if name.startswith(f"{prefix}_"):
        return Text((variable, name[len(prefix) :]))
    return expression
