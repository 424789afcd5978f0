"""The parts of docs/architecture.md that are measured: the floors drawn, the rooms, the figures.

    python tools/architecture.py [ROOT]    # writes them anew; `make map` does the same

They stand between two comments of HTML that name the part. The rest of the page is written by hand;
`tests/test_architecture.py` asks for the drawing and the rooms to be those of the tree, for figures
that are near, and walks the walk.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from figures import figures_table
from floors import FLOORS, find_imports, find_way, module_name, read_package, room_of
from source_files import PACKAGE

PAGE = Path("docs/architecture.md")
BEGIN = "<!-- {}: made by tools/architecture.py -->\n"
END = "<!-- end of {} -->"

Graph = Mapping[str, set[str]]


def room_imports(root: Path) -> Graph:
    """Return the other rooms that each room imports from."""
    sources = read_package(root)
    rooms = {module_name(source.path): room_of(source.path) for source in sources}
    graph: dict[str, set[str]] = defaultdict(set)
    for one in find_imports(sources):
        upper = rooms[one.importer]
        lower = rooms[one.imported]
        if upper != lower:
            graph[upper].add(lower)
    return graph


def leave_out_implied(graph: Graph) -> Graph:
    """Return the graph without each edge that another way leads along, its transitive reduction.

    It is the only one where there is no circle (Aho, Garey and Ullman 1972,
    https://doi.org/10.1137/0201008).
    """
    reduced = {node: set(following) for node, following in graph.items()}
    for node in sorted(graph):
        for following in sorted(graph[node]):
            reduced[node].remove(following)
            if not find_way(reduced, node, following):
                reduced[node].add(following)
    return reduced


def draw_floors(root: Path) -> str:
    """Return the drawing of floors and rooms in the language of Mermaid.

    An arrow is an import that no other arrows imply.
    """
    lines = ["```mermaid", "flowchart TB"]
    for height in reversed(range(len(FLOORS))):
        lines.append(f'  subgraph floor_{height}["floor {height}"]')
        lines += [f'    {identifier(room.name)}["{room.name}"]' for room in FLOORS[height]]
        lines.append("  end")
    for upper, lower in sorted(leave_out_implied(room_imports(root)).items()):
        lines += [f"  {identifier(upper)} --> {identifier(name)}" for name in sorted(lower)]
    return "\n".join([*lines, "```"])


def identifier(room: str) -> str:
    """Return the name of a room in the drawing; `graph` alone is a word of the language."""
    return "room_" + re.sub(r"/|\.py$", "", room)


def list_rooms(root: Path) -> str:
    """Return the table of rooms from the ground up, with what lives there and the files."""
    lines = ["| floor | room | what lives there | files |", "|--:|---|---|---|"]
    for height, floor in enumerate(FLOORS):
        for room in floor:
            cells = [str(height), f"`{room.name}`", room.holds, list_files(root, room.name)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def list_files(root: Path, room: str) -> str:
    """Return the names of the files of a room, each folder below it after its own name."""
    folder = root / PACKAGE / room
    by_folder: dict[str, list[str]] = defaultdict(list)
    for file in sorted(folder.rglob("*.py")):
        if file.stem != "__init__":
            by_folder[file.parent.relative_to(folder).as_posix()].append(file.stem)
    texts = []
    for name, files in sorted(by_folder.items()):
        head = "" if name == "." else f"**{name}**: "
        texts.append(head + ", ".join(files))
    return "; ".join(texts)


SECTIONS: Mapping[str, Callable[[Path], str]] = {
    "floors": draw_floors,
    "rooms": list_rooms,
    "figures": figures_table,
}


def split_page(page: str, name: str) -> tuple[str, str, str]:
    """Return what stands before a part of the page, the part, and what stands after it.

    Raises ValueError where the page has no such part.
    """
    begin = BEGIN.format(name)
    end = END.format(name)
    before, found, rest = page.partition(begin)
    part, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{PAGE} has no part {name}: {begin.strip()} ... {end}")
    return before + begin, part.removesuffix("\n"), end + after


def renew_page(page: str, root: Path) -> str:
    """Return the page with each part as the tree below `root` has it now."""
    for name, make in SECTIONS.items():
        before, _, after = split_page(page, name)
        page = f"{before}{make(root)}\n{after}"
    return page


def main(arguments: list[str]) -> None:
    """Write the measured parts of the page of the tree that is named, or that this file is in."""
    root = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1]
    page = root / PAGE
    page.write_text(renew_page(page.read_text(encoding="utf-8"), root), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
