"""Refusals that several families share."""

from __future__ import annotations

from torch2keras.errors import LoweringError


def require_inactive(active: bool | None) -> None:
    """Raises LoweringError where the module drops elements in eval mode too."""
    if not active:
        return
    advice = (
        "pass training=self.training to torch.nn.functional.dropout, or use torch.nn.Dropout;\n"
        "export a program in eval mode;\n"
        'convert(..., random="ports") makes what is kept an input of the model'
    )
    raise LoweringError(
        "this dropout is active in eval mode, where a Keras layer has none", [("next", advice)]
    )
