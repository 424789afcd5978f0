"""The floors of the package and what may import what; `tests/test_floors.py` holds the tree to it.

A file imports from its own room and from lower floors. A room is a folder right below the package,
or a file there. The rooms of the top floor are the public face: each may also import from those
that stand before it in the list. Imports under TYPE_CHECKING and inside functions count.
"""

from __future__ import annotations

import ast
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from source_files import OPS, PACKAGE, Function, Source, Violation, is_converter, read_sources

BLOCKS = OPS / "blocks"
REGISTERS = frozenset(["leaf", "lowering", "pointwise", "registry"])
"""What puts an op into the table of converters; a block uses none of these."""

SHADOWS = frozenset(["convert", "explain", "inspect", "leaf", "lowering"])
"""Names of public functions of the package, which a module at its top would hide."""


Check = Callable[[Sequence[Source]], Iterator[Violation]]


@dataclass(frozen=True)
class Room:
    """One folder (with a slash at its end) or file of the package, and what lives there."""

    name: str
    holds: str


FLOORS = (
    (
        Room("errors.py", "the tree of errors"),
        Room("op_facts.py", "what ATen ops do with elements, stated once"),
        Room("workarounds/", "one file for each fault of Keras, TensorFlow or Triton"),
    ),
    (
        Room("runtime/", "leaving all as it was, arrays of both frameworks, progress"),
        Room("custom_ops/", "the `torch2keras::*` operators that keep a layer whole in a program"),
    ),
    (
        Room("fx_passes/", "GraphModule to GraphModule: inline, functionalise, split, decompose"),
        Room("checkpoints/", "files of weights of any library, and their names as a module's"),
        Room("exported_files/", "files of exported programs, read without running any of theirs"),
    ),
    (
        Room("capture/", "nn.Module to ExportedProgram"),
        Room("graph/", "the typed IR, its importer, symbolic sizes, its interpreter"),
    ),
    (
        Room("declarations/", "what an op declares: patterns, costs, traits, the registry"),
        Room("keras_graph/", "the Keras model as data, its passes, names, nesting, source code"),
    ),
    (
        Room("layout/", "axes and their inference, signatures, the assignment of orders, storage"),
        Room("ir_passes/", "Graph to Graph"),
        Room("keras_model/", "KerasGraph to keras.Model, saving, float64"),
    ),
    (Room("lower/", "Graph to KerasGraph: the recorder, rearrangement, sizes, promotion"),),
    (
        Room("ops/", "the converters, one family a file, and the blocks that several build on"),
        Room("conversion/", "the record of one conversion, its ports and weights"),
        Room("extend.py", "what authors of ops and of leaf modules import"),
    ),
    (
        Room("training/", "PyTorch's optimizers, schedules and losses as Keras's"),
        Room(
            "deployment_forms/", "a conversion at fixed sizes, in the forms that LiteRT runs best"
        ),
    ),
    (Room("verification/", "the numbers of both sides compared, in float64 and as saved"),),
    (Room("deployment/", "files for LiteRT, TensorFlow and ONNX Runtime, run there and compared"),),
    (Room("reporting/", "what became of what: facts, notes, parameters, transposes, text"),),
    (
        Room("converted.py", "the result of a conversion"),
        Room("fitting/", "`optimizer` and `loss` of a converted model"),
        Room("distribution/", "`layout_map`: a converted model's weights over many devices"),
        Room("pipeline.py", "`convert`, a list of passes"),
        Room("inspection.py", "`inspect`: what would become of a module"),
        Room("explanation/", "`explain`: a layer or net as Keras code that runs, and the reasons"),
        Room("twins/", "a Keras model written by hand beside its module: compared, given weights"),
        Room("__init__.py", "the public names"),
        Room("cli/", "the command line"),
    ),
)

FACE = len(FLOORS) - 1
HEIGHT: dict[str, int] = {}
for _height, _floor in enumerate(FLOORS):
    HEIGHT |= dict.fromkeys((room.name for room in _floor), _height)
PLACE = {room.name: place for place, room in enumerate(FLOORS[FACE])}


@dataclass(frozen=True, order=True)
class Import:
    """One import of a module of the package by another; `line` counts from 1 in the file `path`."""

    path: Path
    line: int
    importer: str
    imported: str


def read_package(root: Path) -> list[Source]:
    """Parse the package below `root`; a file that does not parse is the budget's to name."""
    sources, _ = read_sources(root, [PACKAGE.as_posix()])
    return sources


def module_name(path: Path) -> str:
    """Return the dotted name of a file of the package; a folder's is that of its `__init__.py`."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts)


def room_of(path: Path) -> str:
    """Return the name of the room that a file of the package lives in."""
    first, *below = path.relative_to(PACKAGE).parts
    return f"{first}/" if below else first


def find_imports(sources: Sequence[Source]) -> list[Import]:
    """Find each import of one module of the package by another, in order of path and line."""
    modules = {module_name(source.path) for source in sources}
    found = set()
    for source in sources:
        importer = module_name(source.path)
        for name, line in name_imports(source):
            if (imported := nearest_module(name, modules)) is not None:
                found.add(Import(source.path, line, importer, imported))
    return sorted(found)


def name_imports(source: Source) -> Iterator[tuple[str, int]]:
    """Yield each dotted name that a file imports, by statement or `import_module`, and where."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = absolute_base(node, source.path)
            for alias in node.names:
                yield f"{base}.{alias.name}", node.lineno
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            for argument in node.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value, node.lineno


def absolute_base(node: ast.ImportFrom, path: Path) -> str:
    """Return the dotted name before `import`, a relative one resolved from the file's folder."""
    if node.level == 0:
        return node.module or ""
    folder = path.parents[node.level - 1].relative_to(PACKAGE.parent)
    return ".".join([*folder.parts, *([node.module] if node.module else [])])


def nearest_module(name: str, modules: set[str]) -> str | None:
    """Return the module that a dotted name is, or is a name of; None outside of the package."""
    if name in modules:
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in modules else None


def check_rooms(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield files without a place in `FLOORS`, and places there without a file."""
    present = set()
    for source in sources:
        room = room_of(source.path)
        present.add(room)
        if room not in HEIGHT:
            yield Violation(source.path, 1, f"{room} stands on no floor of tools/floors.py")
    for room in HEIGHT:
        if room not in present:
            yield Violation(PACKAGE / room, 1, "stands in tools/floors.py and is not there")


def check_floors(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield each import from a higher floor, or from another room of the same floor."""
    paths = {module_name(source.path): source.path for source in sources}
    for one in find_imports(sources):
        upper = room_of(one.path)
        lower = room_of(paths[one.imported])
        if upper in HEIGHT and lower in HEIGHT and not may_import(upper, lower):
            floors = f"floor {HEIGHT[upper]} imports from floor {HEIGHT[lower]}"
            yield Violation(one.path, one.line, f"{upper} on {floors}: {one.imported}")


def may_import(upper: str, lower: str) -> bool:
    """Whether a file of the room `upper` may import from the room `lower`."""
    if upper == lower or HEIGHT[lower] < HEIGHT[upper]:
        return True
    return HEIGHT[lower] == HEIGHT[upper] == FACE and PLACE[lower] < PLACE[upper]


def check_circles(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield each import of a module that leads back to the one that imports it."""
    imports = find_imports(sources)
    graph: dict[str, set[str]] = defaultdict(set)
    for one in imports:
        graph[one.importer].add(one.imported)
    for one in imports:
        way = find_way(graph, one.imported, one.importer)
        if way:
            circle = " -> ".join([one.importer, *way])
            yield Violation(one.path, one.line, f"a circle of imports: {circle}")


def find_way(graph: Mapping[str, set[str]], start: str, end: str) -> list[str]:
    """Return the shortest way from `start` to `end`, both included, or [] where there is none."""
    before = {start: ""}
    waiting = deque([start])
    while waiting and end not in before:
        node = waiting.popleft()
        for following in sorted(graph.get(node, ())):
            if following not in before:
                before[following] = node
                waiting.append(following)
    if end not in before:
        return []
    way = [end]
    while before[way[-1]]:
        way.append(before[way[-1]])
    return way[::-1]


def check_families(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield each import of a family of converters by another, or by a block."""
    paths = {module_name(source.path): source.path for source in sources}
    for one in find_imports(sources):
        imported = paths[one.imported]
        if not one.path.is_relative_to(OPS) or not imported.is_relative_to(OPS):
            continue
        if one.imported != one.importer and not imported.is_relative_to(BLOCKS):
            kind = "a block" if one.path.is_relative_to(BLOCKS) else "a family"
            yield Violation(one.path, one.line, f"{kind} imports the family {one.imported}")


def check_blocks(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield where a block imports what registers an op."""
    for source in sources:
        if not source.path.is_relative_to(BLOCKS):
            continue
        for dotted, line in name_imports(source):
            name = dotted.rpartition(".")[2]
            if name in REGISTERS:
                yield Violation(source.path, line, f"a block registers nothing: {name}")


def check_meanings(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield each public function or class whose name another module of the package defines too."""
    places: dict[str, list[tuple[Path, int]]] = defaultdict(list)
    for source in sources:
        for name, line in find_definitions(source).items():
            places[name].append((source.path, line))
    for name, found in sorted(places.items()):
        for path, line in found:
            others = [f"{other.as_posix()}:{at}" for other, at in found if other != path]
            if others:
                yield Violation(path, line, f"{name} is also in {', '.join(others)}")


def find_definitions(source: Source) -> dict[str, int]:
    """Return the public functions and classes of a module, but no converters, with their lines."""
    found: dict[str, int] = {}
    for node in source.tree.body:
        if not isinstance(node, Function | ast.ClassDef) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef) or not is_converter(node):
            found.setdefault(node.name, node.lineno)
    return found


def check_shadows(sources: Sequence[Source]) -> Iterator[Violation]:
    """Yield each module at the top of the package that would hide a public function."""
    for source in sources:
        name = room_of(source.path).removesuffix("/").removesuffix(".py")
        if name in SHADOWS:
            yield Violation(source.path, 1, f"a module {name} hides torch2keras.{name}")


CHECKS: tuple[Check, ...] = (
    check_rooms,
    check_floors,
    check_circles,
    check_families,
    check_blocks,
    check_meanings,
    check_shadows,
)
