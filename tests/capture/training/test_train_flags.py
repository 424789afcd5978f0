"""Modules are switched to train mode by their flags, but for some paths."""

from __future__ import annotations

from torch import nn

from torch2keras.capture.training.train_flags import find_batch_norms, set_train_flags


class Merges(nn.Linear):
    def train(self, mode=True):
        raise AssertionError


def test_flags_are_set_and_train_is_not_called():
    net = nn.Sequential(Merges(3, 3), nn.Dropout(), nn.Sequential(nn.Dropout()))
    set_train_flags(net, {"1", "2.0"})
    flags = {path: part.training for path, part in net.named_modules()}
    assert flags == {"": True, "0": True, "1": False, "2": True, "2.0": False}


def test_batch_norms_are_found_and_other_norms_are_not():
    net = nn.Sequential(nn.BatchNorm1d(3), nn.InstanceNorm1d(3), nn.Sequential(nn.SyncBatchNorm(3)))
    assert find_batch_norms(net) == {"0", "2.0"}
