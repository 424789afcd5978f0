from __future__ import annotations

import keras
import numpy as np
import pytest
from keras.src.saving import saving_lib

from torch2keras.workarounds import weights_in_memory
from torch2keras.workarounds.weights_in_memory import hold_weights_on_disk


@pytest.mark.parametrize(("most", "in_memory"), [(35, False), (36, True)])
def test_the_weights_of_a_large_model_go_through_a_file(monkeypatch, tmp_path, most, in_memory):
    monkeypatch.setattr(weights_in_memory, "LARGE", most)
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, use_bias=False)])
    other = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7, use_bias=False)])
    own = saving_lib.is_memory_sufficient
    with hold_weights_on_disk(model):
        assert saving_lib.is_memory_sufficient(model) == in_memory
        assert saving_lib.is_memory_sufficient(other)
        model.save(tmp_path / "net.keras")
    assert saving_lib.is_memory_sufficient is own
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    np.testing.assert_array_equal(loaded.get_weights()[0], model.get_weights()[0])
    assert [file.name for file in tmp_path.iterdir()] == ["net.keras"]
