from __future__ import annotations

from pathlib import Path

import keras
import pytest

from torch2keras.errors import OutputError
from torch2keras.keras_model.saving import save_model


class Model:
    """What save_model needs of one: it writes, and may fail on the way."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def save(self, path: Path) -> None:
        Path(path).write_text("new", encoding="utf-8")
        if self.error:
            raise self.error


@pytest.mark.parametrize(
    "error", [None, OSError(28, "No space left on device"), KeyboardInterrupt()]
)
def test_what_stood_there_is_replaced_only_by_a_complete_file(tmp_path, error) -> None:
    path = tmp_path / "model.keras"
    path.write_text("old", encoding="utf-8")
    if error is None:
        assert save_model(Model(), path) == path
    else:
        with pytest.raises(OutputError if isinstance(error, OSError) else type(error)) as raised:
            save_model(Model(error), path)
        assert isinstance(error, KeyboardInterrupt) or "No space left" in str(raised.value)
    assert path.read_text(encoding="utf-8") == ("old" if error else "new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("model.h5", "name it model.keras"),
        ("there.keras", "is a folder"),
        ("missing/model.keras", "does not exist"),
    ],
)
def test_refused_before_anything_is_written(tmp_path, name, says) -> None:
    (tmp_path / "there.keras").mkdir()
    with pytest.raises(OutputError, match=says):
        save_model(Model(), tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == ["there.keras"]


def test_a_model_comes_back(tmp_path) -> None:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(5)(inputs))
    path = save_model(model, tmp_path / "model.keras")
    assert keras.saving.load_model(path, safe_mode=True).count_params() == 20
