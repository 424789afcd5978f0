"""What a config may say: sizes and names, nothing to run or to open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hostile_folders import BERT
from torch2keras.cli.config_checks import read_config_file
from torch2keras.errors import SourceError


def read(tmp_path: Path, written: Any) -> dict[str, Any]:
    file = tmp_path / "config.json"
    file.write_text(json.dumps(written))
    return read_config_file(file)


@pytest.mark.parametrize(
    "harmless",
    [
        {"id2label": {"0": "and/or", "1": "c.bin"}},
        {"label_names": ["a/b"]},
        {"eos_token": "</s>", "hidden_act": "gelu_new"},
        {"layer_norm_eps": 1e-12, "rope_theta": 1e9, "max_position_embeddings": 10**7},
        {"torch_dtype": "bfloat16", "_attn_implementation": "sdpa", "cross_attention": None},
        {"backbone_kwargs": {"out_indices": [1, 2, 3], "in_chans": 3}, "model_args": None},
        {"is_decoder": True, "transformers_version": "4.57.1"},
    ],
)
def test_what_real_configs_say_is_kept(tmp_path: Path, harmless: dict[str, Any]) -> None:
    written = {**BERT, **harmless}
    assert read(tmp_path, written) == written


def test_where_a_model_came_from_is_left_out(tmp_path: Path) -> None:
    part = {"_name_or_path": "google/bert", "width": 3}
    written = {"_name_or_path": "/home/x", "text": part, "parts": [part], "pretrained_cfg": {}}
    assert read(tmp_path, written) == {"text": {"width": 3}, "parts": [{"width": 3}]}


def test_no_other_weights_are_asked_for(tmp_path: Path) -> None:
    written = {"backbone": "resnet50", "use_pretrained_backbone": True}
    assert read(tmp_path, written)["use_pretrained_backbone"] is False


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "3", "null", '"bert"', "\x00"])
def test_what_is_no_config(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(SourceError, match="cannot read"):
        read_config_file(file)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    file.write_bytes(b"\xff\xfe{}")
    with pytest.raises(SourceError, match="cannot read"):
        read_config_file(file)
