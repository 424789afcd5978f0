"""KerasGraph to KerasGraph: what guards gradients alone is left out, as nothing is trained.

The gradient of a root at zero is infinite, so `fx_passes/complex_rules.py` and others take the root
of one there, and zero for it. The root itself is as good, and XNNPACK has no choice (SELECT_V2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch2keras.deployment_forms.passes.uses import Uses
from torch2keras.keras_graph.graph import Call, Ref


def drop_root_guards(calls: Sequence[Call], outputs: Sequence[int]) -> tuple[Call, ...]:
    """Return the calls with plain roots for those that are zero by a choice where they are zero."""
    uses = Uses(calls, outputs)
    return tuple(_drop_guard(call, uses) or call for call in calls)


def _drop_guard(call: Call, uses: Uses) -> Call | None:
    """Return the root for `where(x == 0, 0, sqrt(where(x == 0, c, x)))`, None for other calls."""
    root, mask = uses.maker(call, 2), uses.maker(call, 0)
    if not _chooses(call) or call.args[1] != 0 or root is None or mask is None:
        return None
    inner = uses.maker(root)
    if root.target != "ops.sqrt" or inner is None or not _chooses(inner):
        return None
    if mask.target != "ops.equal" or inner.args[0] != call.args[0]:
        return None
    value, number = mask.args
    if value != inner.args[2] or not isinstance(value, Ref) or isinstance(number, Ref):
        return None
    if not isinstance(number, int | float) or number != 0:
        return None
    return replace(root, args=(value,), outputs=call.outputs)


def _chooses(call: Call) -> bool:
    """Whether a call takes a number where a mask holds, and an element of a value elsewhere."""
    return (
        call.target == "ops.where"
        and len(call.args) == 3
        and isinstance(call.args[1], int | float)
        and isinstance(call.args[2], Ref)
    )
