"""Each attribute and buffer is found by its path, and what was done to it is seen."""

from __future__ import annotations

from collections import deque

import pytest
import torch
from torch import nn

from torch2keras.capture.ports.places import MISSING, find_attribute_places, note_fingerprints


class Cache:
    def __init__(self):
        self.keys = None
        self.inner = self


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.zeros(3))
        self.cache = Cache()
        self.level = 1.0
        self.pair = (torch.zeros(2), [torch.ones(2)])
        self.window = deque([torch.zeros(1)], maxlen=2)
        self.memory = {}


def make():
    return nn.Sequential(nn.ReLU(), Part())


def test_attributes_buffers_and_own_objects_have_paths():
    places = find_attribute_places(make())
    for path in ("1.table", "1.cache", "1.cache.keys", "1.level", "1.pair", "1.memory"):
        assert path in places
    assert not {"_modules", "1._buffers", "1._parameters"} & set(places)
    assert not any(path.startswith("1.cache.inner.") for path in places), "an object once"


def test_a_place_is_read_written_and_emptied():
    net = make()
    place = find_attribute_places(net)["1.table"]
    place.write(torch.ones(3))
    assert net[1].table.tolist() == [1.0, 1.0, 1.0]
    place.write(MISSING)
    assert place.read() is MISSING
    assert "table" not in net[1]._buffers


ACTS = {
    "1.table": lambda part: part.table.add_(1),
    "1.cache.keys": lambda part: setattr(part.cache, "keys", 3),
    "1.level": lambda part: setattr(part, "level", 2.0),
    "1.pair": lambda part: part.pair[1][0].mul_(2),
    "1.window": lambda part: part.window.append(torch.zeros(1)),
    "1.memory": lambda part: part.memory.update(a=torch.zeros(1)),
}


@pytest.mark.parametrize("path", ACTS)
def test_what_was_changed_is_told_by_its_path(path):
    net = make()
    before = note_fingerprints(find_attribute_places(net))
    assert note_fingerprints(find_attribute_places(net)) == before
    ACTS[path](net[1])
    after = note_fingerprints(find_attribute_places(net))
    assert [name for name in after if after[name] != before.get(name)] == [path]
