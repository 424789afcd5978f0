"""SOURCE hf:PATH: folders of transformers models; nothing unsafe, nothing half loaded."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import torch
import transformers

import hostile_folders
from command import command
from hostile_folders import TIMM, UNSAFE, WRONG, marker_of, plain, write_bait
from torch2keras.cli.hugging_face import load_hugging_face
from torch2keras.errors import InputError, SourceError, UnsafeFileError

CONFIG = {
    "model_type": "bert",
    "vocab_size": 101,
    "hidden_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 17,
    "max_position_embeddings": 31,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model as transformers saves it."""
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(transformers.BertConfig(**CONFIG))
    model.save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_converts_without_an_input(folder: Path) -> None:
    ran = command("convert", f"hf:{folder}", "-o", str(folder / "bert.keras"))
    assert ran.code == 0, ran.err
    model = transformers.BertForMaskedLM.from_pretrained(folder).eval()
    ids, mask = torch.randint(0, 101, (3, 13)), torch.ones(3, 13, dtype=torch.int64)
    ours = keras.saving.load_model(folder / "bert.keras")([ids.numpy(), mask.numpy()])
    with torch.no_grad():
        assert np.asarray(ours) == pytest.approx(model(ids, mask).logits.numpy(), abs=1e-5)


def test_inputs_by_name(folder: Path) -> None:
    ran = command(
        "inspect", f"hf:{folder}", "-i", "token_type_ids:2,l=7:int64", "-i", "input_ids:2,l=7:int64"
    )
    assert ran.code == 0, ran.err
    assert "token_type_ids" in ran.out


@pytest.mark.parametrize("architecture", [None, "BertForMaskedLM"])
def test_a_config_gives_random_weights(tmp_path: Path, architecture: str | None) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({**CONFIG, "architectures": architecture and [architecture]})
    )
    model = load_hugging_face(str(tmp_path / "config.json"))
    assert type(model).__name__ == (architecture or "BertModel")


def test_pickled_weights_are_unsafe(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeFileError, match=r"pytorch_model\.bin"):
        load_hugging_face(str(folder))
    assert command("convert", f"hf:{folder}", "-o", "never.keras").code == 3


def test_code_beside_the_weights_is_unsafe(folder: Path) -> None:
    (folder / "config.json").write_text(
        json.dumps({**CONFIG, "auto_map": {"AutoModel": "evil.Model"}})
    )
    with pytest.raises(UnsafeFileError, match=r"evil\.Model"):
        load_hugging_face(str(folder))


def test_missing_weights_are_refused(folder: Path) -> None:
    (folder / "config.json").write_text(
        json.dumps({**CONFIG, "architectures": ["BertForSequenceClassification"]})
    )
    with pytest.raises(SourceError, match=r"classifier\.weight"):
        load_hugging_face(str(folder))


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({**CONFIG, "architectures": ["BertForNothing"]}, "has no BertForNothing"),
        ({"model_type": "no_such_type"}, "cannot read"),
        ({}, "cannot read"),
    ],
)
def test_configs_that_name_nothing(tmp_path: Path, config: dict[str, object], said: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=said):
        load_hugging_face(str(tmp_path / "config.json"))


def test_nothing_is_downloaded(tmp_path: Path) -> None:
    for path in ("bert-base-uncased", str(tmp_path)):
        with pytest.raises(SourceError, match="nothing is downloaded"):
            load_hugging_face(path)
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    with pytest.raises(SourceError, match="holds no weights"):
        load_hugging_face(str(tmp_path))


@pytest.mark.parametrize("kind", [*UNSAFE, *WRONG])
def test_a_folder_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("builtins.input", lambda _="": "y")  # who is asked, agrees
    folder = tmp_path / "data"
    folder.mkdir()
    write_bait(folder)
    monkeypatch.chdir(folder)
    make = UNSAFE.get(kind) or WRONG[kind]
    make(folder)
    refused = UnsafeFileError if kind in UNSAFE else SourceError
    with pytest.raises(refused) as error:
        load_hugging_face(str(folder))
    assert "next" in dict(error.value.rows)
    assert not marker_of(folder).exists()


def test_sizes_beyond_the_memory_are_refused_before_it_is_asked_for(tmp_path: Path) -> None:
    hostile_folders.config(vocab_size=10**8, hidden_size=12 * 10**4)(tmp_path)
    with pytest.raises(InputError, match="asks for more memory than there is"):
        load_hugging_face(str(tmp_path))


def test_the_bait_is_taken_by_who_unpickles(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    write_bait(folder)
    pickle.loads((folder / "evil.bin").read_bytes())  # noqa: S301 - it is our own
    assert marker_of(folder).exists()


@pytest.mark.parametrize(
    ("version", "said"), [("1.0.9", "needs timm"), ("1.0.25", "needs timm"), ("1.1", "")]
)
def test_an_old_timm_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, said: str
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda _: version)
    plain(TIMM)(tmp_path)
    with pytest.raises(SourceError) as error:  # the weights are none of a ResNet
        load_hugging_face(str(tmp_path))
    assert ("needs timm" in str(error.value)) is bool(said)
