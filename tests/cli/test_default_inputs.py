"""Example inputs of the zoos' models: what each takes, and forward takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import torch
import torchvision
import transformers
from torch import nn

from torch2keras.cli.default_inputs import find_default_inputs, has_default_inputs
from torch2keras.cli.input_shapes import build_dynamic_shapes, build_example

SMALL = {
    "hidden_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 17,
}
SPEECH = {
    **SMALL,
    "conv_dim": (12, 12),
    "conv_stride": (5, 2),
    "conv_kernel": (7, 3),
    "num_conv_pos_embeddings": 8,
    "num_conv_pos_embedding_groups": 2,
}
TEXT_DECODER = {
    "d_model": 12,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 17,
    "decoder_ffn_dim": 17,
    "vocab_size": 101,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "decoder_start_token_id": 1,
}

# The name of a class, the options of its config, and the sizes of its inputs by parameter.
FAMILIES: dict[str, tuple[str, dict[str, Any], dict[str, tuple[int, ...]]]] = {
    "text": (
        "BertModel",
        {**SMALL, "vocab_size": 101},
        {"input_ids": (2, 16), "attention_mask": (2, 16)},
    ),
    "text of few positions": (
        "BertModel",
        {**SMALL, "max_position_embeddings": 11},
        {"input_ids": (2, 11), "attention_mask": (2, 11)},
    ),
    "text without a limit": (
        "XLNetModel",
        {"d_model": 12, "n_layer": 1, "n_head": 3, "d_inner": 17, "vocab_size": 101},
        {"input_ids": (2, 16), "attention_mask": (2, 16)},
    ),
    "text to text": (
        "T5Model",
        {"d_model": 12, "d_kv": 4, "d_ff": 17, "num_layers": 1, "num_heads": 3, "vocab_size": 101},
        {"input_ids": (2, 16), "attention_mask": (2, 16), "decoder_input_ids": (2, 7)},
    ),
    "half of text to text": (
        "T5EncoderModel",
        {"d_model": 12, "d_kv": 4, "d_ff": 17, "num_layers": 1, "num_heads": 3, "vocab_size": 101},
        {"input_ids": (2, 16), "attention_mask": (2, 16)},
    ),
    "image": (
        "ViTModel",
        {**SMALL, "image_size": [16, 32]},
        {"pixel_values": (2, 3, 16, 32)},
    ),
    "image of any size": (
        "ResNetModel",
        {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "num_channels": 1},
        {"pixel_values": (2, 1, 224, 224)},
    ),
    "video": (
        "VideoMAEModel",
        {**SMALL, "image_size": 32, "num_frames": 4},
        {"pixel_values": (2, 4, 3, 32, 32)},
    ),
    "sound": ("Wav2Vec2Model", SPEECH, {"input_values": (2, 16000)}),
    "sound of a codec": (
        "EncodecModel",
        {"num_filters": 4, "hidden_size": 12, "codebook_size": 16, "codebook_dim": 12},
        {"input_values": (2, 1, 24000)},
    ),
    "spectrogram": (
        "ASTModel",
        {**SMALL, "max_length": 64, "num_mel_bins": 31},
        {"input_values": (2, 64, 31)},
    ),
    "spectrogram to text": (
        "WhisperModel",
        {**TEXT_DECODER, "num_mel_bins": 80, "max_source_positions": 1500},
        {"input_features": (2, 80, 3000), "decoder_input_ids": (2, 7)},
    ),
    "frames": (
        "Wav2Vec2BertModel",
        {**SMALL, "feature_projection_input_dim": 14, "num_adapter_layers": 1},
        {"input_features": (2, 100, 14)},
    ),
    "series": (
        "PatchTSTModel",
        {"context_length": 36, "num_input_channels": 5, "patch_length": 6, "d_model": 12}
        | {"num_attention_heads": 3, "ffn_dim": 17, "num_hidden_layers": 1},
        {"past_values": (2, 36, 5)},
    ),
    "text and image": (
        "CLIPModel",
        {
            "text_config": {**SMALL, "vocab_size": 101, "max_position_embeddings": 19},
            "vision_config": {**SMALL, "image_size": 32, "patch_size": 8},
            "projection_dim": 12,
        },
        {"input_ids": (2, 16), "pixel_values": (2, 3, 32, 32), "attention_mask": (2, 16)},
    ),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_takes_its_example(family: str) -> None:
    name, options, sizes = FAMILIES[family]
    model_class = getattr(transformers, name)
    model = model_class(model_class.config_class(**options)).eval()
    shapes = find_default_inputs("hf:folder", model)
    assert {shape.parameter: shape.sizes for shape in shapes} == sizes
    _, kwargs = build_example(shapes)
    with torch.no_grad():
        model(**kwargs)


def test_texts_and_sounds_have_any_length() -> None:
    name, options, _ = FAMILIES["sound of a codec"]
    model = getattr(transformers, name)(transformers.EncodecConfig(**options))
    (shape,) = find_default_inputs("hf:folder", model)
    assert shape.names == (None, None, "length")
    assert build_dynamic_shapes([shape])["input_values"][2] is not None


class Needy(transformers.BertModel):
    def forward(self, input_ids: Any, strange: Any) -> Any:  # type: ignore[override]
        return strange


@pytest.mark.parametrize(
    "make", [nn.ReLU, lambda: Needy(transformers.BertConfig(**SMALL))], ids=["plain", "needy"]
)
def test_a_model_that_does_not_tell_all_has_none(make: Callable[[], nn.Module]) -> None:
    assert find_default_inputs("hf:folder", make()) == []


class OfTimm(nn.Module):
    default_cfg: ClassVar = {"input_size": (1, 31, 37)}


# A SOURCE, the module that it gives, and the sizes of its image; () where it takes something else.
ZOOS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "timm:net": (OfTimm, (2, 1, 31, 37)),
    "torchvision:resnet18": (lambda: torchvision.models.resnet18(), (2, 3, 224, 224)),
    "torchvision:inception_v3": (nn.Identity, (2, 3, 299, 299)),
    "ultralytics:yolo11n": (nn.Identity, (2, 3, 640, 640)),
    "smp:Unet": (nn.Identity, (2, 3, 256, 256)),
    "torchvision:r3d_18": (lambda: torchvision.models.get_model("r3d_18"), ()),
    "models:net": (nn.Identity, ()),
}


@pytest.mark.parametrize("source", ZOOS)
def test_the_zoos(source: str) -> None:
    make, sizes = ZOOS[source]
    found = find_default_inputs(source, make())
    assert [shape.sizes for shape in found] == [sizes] * bool(sizes)
    assert has_default_inputs(source) == (not source.startswith("models:"))
