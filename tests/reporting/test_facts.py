"""The facts are plain data, and cover what the verification gives."""

from __future__ import annotations

import dataclasses
import json
from typing import get_args, get_type_hints

from torch2keras.reporting import facts
from torch2keras.verification.metric import Difference


def test_each_tier_of_the_metric_has_a_name_for_readers():
    assert list(facts.TIERS) == list(get_args(get_type_hints(Difference)["tier"]))


def test_facts_are_json():
    row = facts.ModuleRow("stem", "Stem", "net.py:7", (facts.KerasCall("Conv1D", "stem"),))
    counts = facts.Parameters(1, 2, 3, 4, 5, {"stem.kernel": ("g", "v")}, (("a", "b"),), ("c",))
    left = facts.Transpose("x", "f32[2]", "n", "n", ("add",))
    verified = facts.Verified((facts.Tier("S", 0.5, "wide", "y", 0.1),), (("wide", ((2,),)),))
    for fact in (row, counts, left, verified):
        assert json.loads(json.dumps(dataclasses.asdict(fact)))
