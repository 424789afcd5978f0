"""The solver against brute force, against planted answers, and against the laws of its problem."""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torch2keras.layout import pbqp
from torch2keras.layout.pbqp import LIMIT, Array, Edge, Problem, Solution, add_edge, cost_of, solve

INF = np.inf
Pairs = list[tuple[int, int]]

# What the entries of costs look like: uniform numbers -> costs. Layouts cost 0 where orders agree,
# elsewhere about 1 with a tie break by bytes, or next to nothing.
KINDS: Mapping[str, Callable[[Array], Array]] = {
    "generic": lambda u: u,
    "negative": lambda u: u - 0.5,
    "zero or one": lambda u: np.where(u < 0.5, 0.0, 1.0),
    "layouts": lambda u: np.where(u < 0.3, 0.0, np.where(u < 0.4, 1e-4, 1 + 1e-4 * np.round(u, 3))),
    "forbidding": lambda u: np.where(u < 0.3, INF, u),
}


def chain(n: int) -> Pairs:
    return list(pairwise(range(n)))


def cycle(n: int) -> Pairs:
    return [*chain(n), (0, n - 1)]


def ladder(n: int) -> Pairs:
    return [(i, i + 2) for i in range(n - 2)] + [(i, i + 1) for i in range(0, n - 1, 2)]


def residual(n: int) -> Pairs:
    """A chain in which every third node is also added to the fifth after it."""
    return [*chain(n), *((i, i + 5) for i in range(0, n - 5, 3))]


def tree(n: int) -> Pairs:
    return [((i - 1) // 2, i) for i in range(1, n)]


def star(n: int) -> Pairs:
    return [(0, i) for i in range(1, n)]


def complete(n: int) -> Pairs:
    return list(combinations(range(n), 2))


def problem(rng: np.random.Generator, kind: str, pairs: Pairs, sizes: Sequence[int]) -> Problem:
    costs: dict[Hashable, Array] = {
        i: KINDS[kind](rng.random(size)) for i, size in enumerate(sizes)
    }
    edges: dict[Edge, Array] = {
        (a, b): KINDS[kind](rng.random((sizes[a], sizes[b]))) for a, b in pairs
    }
    return Problem(costs, edges)


def optimum(problem: Problem) -> float:
    """The least cost, from a table over all joint choices."""
    axis = {node: i for i, node in enumerate(problem.costs)}
    total = np.zeros([len(vector) for vector in problem.costs.values()])
    for nodes, array in [((a,), v) for a, v in problem.costs.items()] + list(problem.edges.items()):
        order = np.argsort([axis[node] for node in nodes])
        shape = [1] * total.ndim
        for node in nodes:
            shape[axis[node]] = len(problem.costs[node])
        total = total + np.transpose(array, order).reshape(shape)
    return float(total.min())


def solved(problem: Problem, limit: int = LIMIT) -> Solution:
    """A solution that is one: a choice in range for every node, at the cost that is named."""
    with np.errstate(invalid="raise", over="raise"):
        solution = solve(problem, limit=limit)
    assert list(solution.choice) == list(problem.costs)
    assert all(0 <= solution.choice[node] < len(vector) for node, vector in problem.costs.items())
    assert solution.cost == cost_of(problem, solution.choice)
    return solution


def same(cost: float) -> Any:
    return pytest.approx(cost, rel=1e-12, abs=1e-12)


# Graphs that R0, R1 and R2 alone take down to nothing: nodes, edges.
SERIES_PARALLEL: dict[str, tuple[int, Pairs]] = {
    "nothing": (0, []),
    "one node": (1, []),
    "two parts": (5, [(0, 3), (1, 4)]),
    "path": (7, chain(7)),
    "star": (7, star(7)),
    "tree": (7, tree(7)),
    "triangle": (3, cycle(3)),
    "odd cycle": (7, cycle(7)),
    "even cycle": (6, cycle(6)),
    "ladder": (8, ladder(8)),
    "five parallel paths": (7, [(end, i) for end in (0, 6) for i in range(1, 6)]),
    "residual blocks": (7, [*chain(7), (0, 2), (2, 4), (4, 6)]),
    "nested skips": (7, [*chain(7), (0, 6), (1, 5), (2, 4)]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("graph", SERIES_PARALLEL)
def test_exact_by_r0_r1_r2(graph: str, kind: str) -> None:
    n, pairs = SERIES_PARALLEL[graph]
    for seed in range(5):
        rng = np.random.default_rng(seed)
        case = problem(rng, kind, pairs, rng.integers(1, 5, n).tolist())
        solution = solved(case, limit=0)
        assert solution.heuristic_steps == 0
        assert solution.cost == same(optimum(case))


@pytest.mark.parametrize("kind", KINDS)
def test_exact_on_graphs_of_up_to_eight_nodes(kind: str) -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        n, share = int(rng.integers(3, 9)), rng.random()
        case = problem(
            rng,
            kind,
            [e for e in complete(n) if rng.random() < share],
            rng.integers(2, 5, n).tolist(),
        )
        solution = solved(case)
        assert solution.heuristic_steps == 0
        assert solution.cost == same(optimum(case)), seed


def test_exact_on_eight_nodes_of_six_choices() -> None:
    case = problem(np.random.default_rng(4), "layouts", complete(8), [6] * 8)
    assert solved(case).cost == same(optimum(case))


# The nodes that RN fixes where a table may have no axis too many: nodes, edges, steps.
CORES: dict[str, tuple[int, Pairs, int]] = {
    "K4": (4, complete(4), 1),
    "K5": (5, complete(5), 2),
    "K7": (7, complete(7), 4),
    "K3,3": (6, [(a, b) for a in range(3) for b in range(3, 6)], 1),
    "wheel: its hub": (7, [*((a + 1, b + 1) for a, b in cycle(6)), *star(7)], 1),
    "two hubs over a cycle": (
        9,
        [*cycle(7), *((hub, rim) for hub in (7, 8) for rim in range(7))],
        2,
    ),
    "two K4 on a bridge": (8, [*complete(4), (3, 4), *((a + 4, b + 4) for a, b in complete(4))], 2),
}


@pytest.mark.parametrize("graph", CORES)
def test_rn_cuts_what_is_left_at_its_highest_degree(graph: str) -> None:
    n, pairs, steps = CORES[graph]
    case = problem(np.random.default_rng(3), "generic", pairs, [3] * n)
    assert solved(case, limit=0).heuristic_steps == steps
    assert solved(case, limit=3**n).heuristic_steps == 0


# The heuristic, held to small tables on wide graphs: how far over the optimum it is on average,
# measured 1.008, 1.058 and 1.025, and 1.030, 1.121 and 1.058 without the improvement. No law, but a
# worse algorithm would show.
@pytest.mark.parametrize(
    ("kind", "mean"), [("generic", 1.015), ("zero or one", 1.08), ("layouts", 1.04)]
)
def test_heuristic_is_close_and_improved(
    kind: str, mean: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = [problem(np.random.default_rng(seed), kind, complete(9), [3] * 9) for seed in range(60)]
    best = np.array([optimum(case) for case in cases])
    found = [solved(case, limit=81) for case in cases]
    assert all(solution.heuristic_steps > 0 for solution in found)
    ratio = np.array([solution.cost for solution in found]) / best
    assert ratio.min() >= 1 - 1e-12
    assert ratio.mean() <= mean
    monkeypatch.setattr(pbqp, "_improve", lambda *_: None)
    assert ratio.mean() < np.mean([solved(case, limit=81).cost for case in cases] / best) - 0.01


def test_improvement_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [
        problem(np.random.default_rng(seed), "generic", complete(9), [3] * 9) for seed in range(20)
    ]
    free = sum(solved(case, limit=81).cost for case in cases)
    monkeypatch.setattr(pbqp, "WORK", 0)
    assert sum(solved(case, limit=81).cost for case in cases) > free


def test_heuristic_agrees_on_a_graph_too_wide_for_tables() -> None:
    # All choose alike, but two that may not: the least that a complete graph can pay is to cut one
    # node off.
    n, k = 41, 5
    costs: dict[Hashable, Array] = {i: np.zeros(k) for i in range(n)}
    costs[7] = np.array([INF, INF, 0, INF, INF])
    costs[23] = np.array([INF, INF, INF, 0, INF])
    solution = solved(Problem(costs, dict.fromkeys(complete(n), 1 - np.eye(k))))
    assert solution.heuristic_steps > 0
    assert solution.cost == n - 1


def colouring(pairs: Pairs, n: int, colours: int) -> Problem:
    return Problem(
        {i: np.zeros(colours) for i in range(n)}, dict.fromkeys(pairs, np.diag([INF] * colours))
    )


PETERSEN = [
    *cycle(5),
    *((i, i + 5) for i in range(5)),
    *((i + 5, (i + 2) % 5 + 5) for i in range(5)),
]


@pytest.mark.parametrize(
    ("pairs", "n", "colours", "cost"),
    [
        (cycle(6), 6, 2, 0),
        (cycle(7), 7, 2, INF),
        (complete(4), 4, 3, INF),
        (complete(4), 4, 4, 0),
        (PETERSEN, 10, 2, INF),
        (PETERSEN, 10, 3, 0),
    ],
)
def test_forbidden_choices_colour_graphs(pairs: Pairs, n: int, colours: int, cost: float) -> None:
    solution = solved(colouring(pairs, n, colours))
    assert (solution.cost, solution.heuristic_steps) == (cost, 0)


def test_heuristic_comes_back_from_dead_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        colour = rng.integers(0, 3, 17)
        cases.append(
            colouring(
                [(a, b) for a, b in complete(17) if colour[a] != colour[b] and rng.random() < 0.5],
                17,
                3,
            )
        )
    coloured = sum(solved(case, limit=9).cost == 0 for case in cases)
    monkeypatch.setattr(pbqp, "_improve", lambda *_: None)
    assert coloured > sum(solved(case, limit=9).cost == 0 for case in cases)


def test_a_node_all_forbidden_leaves_the_others_their_best() -> None:
    costs: dict[Hashable, Array] = {"a": np.array([INF, INF]), "b": np.array([2.0, 1.0, 3.0])}
    assert solved(Problem(costs, {("b", "a"): np.zeros((3, 2))})) == Solution(
        {"a": 0, "b": 1}, INF, 0
    )


# Numbers of which sums are exact, so that equal costs are equal.
EXACT = st.sampled_from([0.0, 0.0, 2.0**-13, 1.0, 1 + 2.0**-20, 3.0, -1.0, INF])


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    pairs = draw(st.sets(st.sampled_from(complete(len(sizes))))) if len(sizes) > 1 else set()

    def array(*shape: int) -> Array:
        count = int(np.prod(shape))
        return np.array(draw(st.lists(EXACT, min_size=count, max_size=count))).reshape(shape)

    costs: dict[Hashable, Array] = {i: array(size) for i, size in enumerate(sizes)}
    return Problem(costs, {(a, b): array(sizes[a], sizes[b]) for a, b in sorted(pairs)})


@given(problems(), st.sampled_from([0, 8, LIMIT]))
def test_law_optimal_if_it_says_so(case: Problem, limit: int) -> None:
    solution = solved(case, limit=limit)
    assert solution.cost >= optimum(case)
    assert solution.cost == optimum(case) or solution.heuristic_steps > 0


@given(problems(), st.sampled_from([-2.0, 5.0]), st.sampled_from([0.5, 4.0]))
def test_law_shift_and_scale(case: Problem, shift: float, scale: float) -> None:
    shifted = Problem({**case.costs, 0: case.costs[0] + shift}, case.edges)
    scaled = Problem(
        {a: v * scale for a, v in case.costs.items()}, {e: m * scale for e, m in case.edges.items()}
    )
    solution = solved(case)
    assert solved(shifted).cost == solution.cost + shift
    assert solved(scaled).cost == solution.cost * scale


@given(problems(), st.randoms(use_true_random=False))
def test_law_permuted_choices(case: Problem, rng: random.Random) -> None:
    order = {
        node: np.array(rng.sample(range(len(vector)), len(vector)))
        for node, vector in case.costs.items()
    }
    permuted = solved(
        Problem(
            {node: vector[order[node]] for node, vector in case.costs.items()},
            {(a, b): matrix[np.ix_(order[a], order[b])] for (a, b), matrix in case.edges.items()},
        )
    )
    assert permuted.cost == solved(case).cost
    assert permuted.cost == cost_of(
        case, {node: int(order[node][c]) for node, c in permuted.choice.items()}
    )


@given(problems(), st.randoms(use_true_random=False))
def test_law_order_of_nodes_and_direction_of_edges(case: Problem, rng: random.Random) -> None:
    costs = {node: case.costs[node] for node in rng.sample(list(case.costs), len(case.costs))}
    edges: dict[Edge, Array] = {}
    for (a, b), matrix in rng.sample(list(case.edges.items()), len(case.edges)):
        edges[a, b], edges[b, a] = matrix / 4, matrix.T * 0.75
    assert solved(Problem(costs, edges)).cost == solved(case).cost


class Shuffled:
    """A node that hashes differently each time."""

    def __init__(self) -> None:
        self.number = random.getrandbits(60)

    def __hash__(self) -> int:
        return self.number


@pytest.mark.parametrize("limit", [0, 81, LIMIT])
@pytest.mark.parametrize("kind", KINDS)
def test_deterministic_whatever_the_nodes_hash_to(kind: str, limit: int) -> None:
    case = problem(np.random.default_rng(5), kind, complete(11), [3] * 11)
    choices = set()
    for _ in range(7):
        nodes = [Shuffled() for _ in range(11)]
        named = Problem(
            dict(zip(nodes, case.costs.values(), strict=True)),
            {(nodes[a], nodes[b]): case.edges[a, b] for a, b in complete(11)},
        )
        choices.add(tuple(solve(named, limit=limit).choice.values()))
    assert len(choices) == 1


@pytest.mark.parametrize("limit", [0, LIMIT])
def test_ties_go_to_the_lowest_choice(limit: int) -> None:
    costs: dict[Hashable, Array] = {i: np.zeros(3) for i in range(7)}
    assert set(
        solved(Problem(costs, dict.fromkeys(complete(7), np.zeros((3, 3)))), limit).choice.values()
    ) == {0}


def planted(pairs: Pairs, n: int, k: int) -> tuple[Problem, dict[Hashable, int]]:
    """A problem that costs 0 for one choice only: every edge has a single 0."""
    rng = np.random.default_rng(n)
    answer = rng.integers(0, k, n).tolist()
    matrices = np.where(rng.random((len(pairs), k, k)) < 0.1, 1e-4, 1.0)
    for matrix, (a, b) in zip(matrices, pairs, strict=True):
        matrix[answer[a], answer[b]] = 0
    return Problem(
        {i: np.zeros(k) for i in range(n)}, dict(zip(pairs, matrices, strict=True))
    ), dict(enumerate(answer))


@pytest.mark.parametrize(
    ("graph", "n"),
    [
        (chain, 20_011),
        (tree, 20_011),
        (cycle, 5_003),
        (star, 5_003),
        (ladder, 5_003),
        (residual, 5_003),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_large_graphs_neither_recurse_nor_guess(graph: Callable[[int], Pairs], n: int) -> None:
    case, answer = planted(graph(n), n, 6)
    assert solved(case) == Solution(answer, 0.0, 0)


def test_a_chain_breaks_at_its_cheapest_link() -> None:
    n, k, weak = 20_011, 6, 7_919
    costs: dict[Hashable, Array] = {i: np.zeros(k) for i in range(n)}
    costs[0], costs[n - 1] = (np.where(np.arange(k) == end, 0, INF) for end in (1, 4))
    edges: dict[Edge, Array] = dict.fromkeys(chain(n), 1 - np.eye(k))
    edges[weak, weak + 1] = 0.25 * (1 - np.eye(k))
    assert solved(Problem(costs, edges)) == Solution(
        {i: 1 if i <= weak else 4 for i in range(n)}, 0.25, 0
    )


def test_a_single_choice_does_not_tie_its_neighbours_together() -> None:
    # A wheel is too wide for R2 at its hub and rim; a hub with nothing to choose leaves the rim, a
    # cycle.
    wheel = [*star(30), *((a + 1, b + 1) for a, b in cycle(29))]
    rng = np.random.default_rng(2)
    assert solved(problem(rng, "generic", wheel, [2] + [5] * 29), limit=0).heuristic_steps == 1
    assert solved(problem(rng, "generic", wheel, [1] + [5] * 29), limit=0).heuristic_steps == 0


def frozen(arrays: Iterable[Array]) -> None:
    for array in arrays:
        array.flags.writeable = False


@pytest.mark.parametrize("limit", [0, LIMIT])
def test_arrays_are_left_as_given(limit: int) -> None:
    case = problem(np.random.default_rng(11), "forbidding", complete(7), [2, 3, 2, 5, 1, 3, 2])
    frozen([*case.costs.values(), *case.edges.values()])
    solved(case, limit)


def test_add_edge_adds_both_ways_round_and_leaves_its_arguments() -> None:
    matrix = np.arange(6.0).reshape(2, 3)
    frozen([matrix])
    edges: dict[Edge, Array] = {}
    for a, b, term in (
        ("a", "b", matrix),
        ("b", "a", 10 * matrix.T),
        ("a", "b", 100 * matrix),
        ("b", "c", matrix.T),
    ):
        add_edge(edges, a, b, term)
    assert list(edges) == [("a", "b"), ("b", "c")]
    assert np.array_equal(edges["a", "b"], 111 * matrix)


TWO = {"a": np.zeros(2), "b": np.zeros(3)}


@pytest.mark.parametrize(
    ("costs", "edges", "message"),
    [
        ({"a": np.zeros(0)}, {}, r"node 'a': costs of shape \(0,\)"),
        ({"a": np.zeros((2, 3))}, {}, r"node 'a': costs of shape \(2, 3\)"),
        ({"a": np.array([0, np.nan])}, {}, r"costs of 'a' hold NaN or -inf"),
        (
            TWO,
            {("a", "b"): np.zeros((3, 2))},
            r"edge \('a', 'b'\): matrix of shape \(3, 2\); its nodes need \(2, 3\)",
        ),
        (TWO, {("a", "b"): np.full((2, 3), -INF)}, r"costs of \('a', 'b'\) hold NaN or -inf"),
        (TWO, {("a", "a"): np.zeros((2, 2))}, r"edge \('a', 'a'\) joins a node to itself"),
        (TWO, {("a", "c"): np.zeros((2, 2))}, r"edge \('a', 'c'\): node 'c' has no costs"),
    ],
)
def test_malformed_problems_are_refused(
    costs: dict[Hashable, Array], edges: dict[Edge, Array], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Problem(costs, edges)
