"""What a saved model says of itself beside Keras's own configuration."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch2keras.conversion.record import Conversion
from torch2keras.runtime.typed_errors import describe_versions
from torch2keras.verification.results import Verification

TIERS = ("S", "N")
"""The tiers of docs/verify.md: float64, and the module's own dtype."""


def describe_model(conversion: Conversion, verification: Verification | None) -> dict[str, Any]:
    """Return the versions, the module, the ports, the limits and the worst errors, as JSON."""
    facts: dict[str, Any] = {
        "versions": dict(text.split(" ", 1) for text in describe_versions() if " " in text),
        "module": conversion.facts.class_paths.get("", ""),
        "limits": list(conversion.size_limits),
        "verification": None,
    }
    if verification is not None:
        facts["verification"] = {
            "ok": verification.ok,
            "worst": {tier: verification.worst(tier) for tier in TIERS},
            "notes": list(verification.notes),
        }
    ports = {"inputs": conversion.inputs, "outputs": conversion.outputs}
    for kind, ours in ports.items():
        facts[kind] = [dataclasses.asdict(port) for port in ours]
    return facts
