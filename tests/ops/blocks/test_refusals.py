from __future__ import annotations

import pytest

from torch2keras.errors import LoweringError
from torch2keras.ops.blocks.refusals import require_inactive


@pytest.mark.parametrize("active", [False, None])
def test_inactive_dropout_passes(active: bool | None) -> None:
    require_inactive(active)


def test_active_dropout_is_refused_with_advice() -> None:
    with pytest.raises(LoweringError, match=r"active in eval mode(.|\n)*training=self\.training"):
        require_inactive(True)
