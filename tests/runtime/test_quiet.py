"""What libraries say is kept to itself, and only while it is asked for."""

from __future__ import annotations

import logging
import warnings

import pytest

from torch2keras.runtime.quiet import keep_quiet


def test_nothing_is_said_within(caplog):
    before = logging.root.manager.disable
    with keep_quiet():
        warnings.warn("within", stacklevel=1)  # an error of pytest's settings, were it let out
        logging.getLogger("torch").critical("within")
    assert not caplog.records
    logging.getLogger("torch").critical("behind")
    assert [record.message for record in caplog.records] == ["behind"]
    assert logging.root.manager.disable == before


def test_an_error_leaves_all_as_it_was():
    before = logging.root.manager.disable
    with pytest.raises(ValueError, match="x"), keep_quiet():
        raise ValueError("x")
    assert logging.root.manager.disable == before
    with pytest.warns(UserWarning, match="behind"):
        warnings.warn("behind", stacklevel=1)
