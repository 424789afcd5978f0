"""Where dimensions of size one lie at the inputs of a model.

They cost nothing to move, so an assignment knows nothing of them. An input that is to be read
without a reshape has each where the first kernel that names it wants it: mono audio, (n, 1, l) in
PyTorch, is (n, l, 1) for a convolution. What stands between the input and the kernel only renames
it, and is followed backwards.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch2keras.declarations.labels import AxisLabel
from torch2keras.graph.ir import Constant, Graph, Node, Value
from torch2keras.layout.axes import AxisSpace, Terms
from torch2keras.layout.signatures import Order, Signature, insert_missing, kernel_order

Wants = dict[Value, Order]
"""For values the order in which a reader wants their axes, those of size one too."""


def place_input_units(
    graph: Graph,
    space: AxisSpace,
    signatures: Mapping[Node, Signature],
    inputs: Mapping[Value, Order],
) -> dict[Value | int, Order]:
    """Return the orders of inputs with those axes of size one that a kernel names.

    `inputs` are their orders without. An input that has none, or is not read, has no entry.
    """
    wants: Wants = {}
    for node in reversed(graph.nodes):
        terms = space.terms[node]
        if terms is None:
            continue
        for slot, value in enumerate(node.operands):
            order = signatures[node].orders[slot]
            # A copy in another order says nothing of the input itself.
            if _has_units(space, value) and inputs.get(value, order) == order:
                wanted = _find_wanted(terms, node, signatures[node], slot, wants)
                if len(wanted) >= len(wants.get(value, ())):
                    wants[value] = wanted
    placed: dict[Value | int, Order] = {}
    for value, order in inputs.items():
        if value in wants:
            placed[value] = _insert_units(space, value, order, wants[value])
    return placed


def _has_units(space: AxisSpace, value: Value) -> bool:
    """Return whether a value that has a place to choose has a dimension of size one."""
    return not isinstance(value, Constant) and len(space.solid(value)) < len(space.sizes(value))


def _find_wanted(terms: Terms, node: Node, signature: Signature, slot: int, wants: Wants) -> Order:
    """Return the order of an operand's axes that a node wants, those of which it says anything."""
    if terms.kernel is not None and not signature.cost:
        batch = [label for label in signature.total if label.label.is_free]
        seed = terms.take(slot, signature.orders[slot])
        return tuple(kernel_order(terms.labels[slot], terms.kernel.terms[slot], batch, seed))
    total: list[AxisLabel] = list(signature.total)
    for number, result in enumerate(node.outputs, len(node.operands)):
        insert_missing(total, terms.take(number, wants.get(result, ())))
    # Where a dimension changes its size, as in a join, operand and result have an axis each.
    slots = {label.label.slot for label in total}
    insert_missing(total, [label for label in terms.labels[slot] if label.label.slot in slots])
    return terms.find_axes(slot, total)


def _insert_units(space: AxisSpace, value: Value, order: Order, wanted: Order) -> Order:
    """Return an order with the other axes that are wanted, each behind its predecessor there."""
    dims, placed = space.dim_of(value), list(order)
    previous: int | None = None
    for axis in wanted:
        if axis not in placed:
            place = 0
            for number, other in enumerate(placed, 1):
                if previous is not None and dims[other] == dims[previous]:
                    place = number
            placed.insert(place, axis)
        previous = axis
    return tuple(placed)
