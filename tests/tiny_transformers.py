"""One tiny model with random weights, inputs and dynamic sizes for each architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from torch.export import Dim

VOCABULARY = 101
BATCH, LENGTH, TARGET = (
    Dim("batch", max=64),
    Dim("length", min=2, max=40),
    Dim("target", min=2, max=40),
)

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 52,
}
WORDS = {
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 80,
    "bos_token_id": 0,
    "eos_token_id": 2,
}
PATCHES = {**SIZES, "image_size": 32, "patch_size": 8}
TWO_STACKS = {
    **WORDS, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 52, "decoder_ffn_dim": 52, "pad_token_id": 1,
    "decoder_start_token_id": 2,
}  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """A model and how it is called."""

    module: nn.Module
    inputs: dict[str, Tensor]
    dynamic_shapes: Any


def made(model: str, config: str, options: Mapping[str, Any]) -> nn.Module:
    torch.manual_seed(0)
    module: nn.Module = getattr(transformers, model)(
        getattr(transformers, f"{config}Config")(**options)
    )
    return module.eval()


def tokens(length: int, batch: int = 3) -> Tensor:
    """Ordinary words: the lowest and highest numbers are special ones."""
    return torch.randint(3, VOCABULARY - 4, (batch, length))


def text(model: str, config: str, **options: Any) -> Tiny:
    """A stack that reads words and a mask of padding."""
    module, ids = made(model, config, {**WORDS, **options}), tokens(11)
    mask = torch.ones_like(ids)
    mask[0, 7:] = 0
    both = {0: BATCH, 1: LENGTH}
    return Tiny(
        module,
        {"input_ids": ids, "attention_mask": mask},
        {"input_ids": both, "attention_mask": both},
    )


def encoder(config: str, **options: Any) -> Tiny:
    return text(f"{config}Model", config, **SIZES, **options)


def decoder(config: str, **options: Any) -> Tiny:
    return text(f"{config}ForCausalLM", config, **{**SIZES, "num_key_value_heads": 2, **options})


def two_stacks(model: str, config: str, **options: Any) -> Tiny:
    """An encoder's words, their mask and a decoder's words, each of its own length."""
    module, ids, both = made(model, config, options), tokens(11), {0: BATCH, 1: LENGTH}
    inputs = {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "decoder_input_ids": tokens(7),
    }
    return Tiny(
        module, inputs, {**dict.fromkeys(inputs, both), "decoder_input_ids": {0: BATCH, 1: TARGET}}
    )


def image(model: str, config: str, size: int = 32, **options: Any) -> Tiny:
    module = made(model, config, options)
    return Tiny(
        module, {"pixel_values": torch.randn(3, 3, size, size)}, {"pixel_values": {0: BATCH}}
    )


def speech(config: str) -> Tiny:
    """Raw audio, of any length."""
    options = {
        **SIZES,
        "conv_dim": (32,) * 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    module = made(f"{config}Model", config, {**options, "vocab_size": 32})
    return Tiny(
        module,
        {"input_values": torch.randn(2, 2400)},
        {"input_values": {0: BATCH, 1: Dim("time", min=1000, max=9000)}},
    )


def whisper() -> Tiny:
    options = {
        **TWO_STACKS,
        "num_mel_bins": 16,
        "max_source_positions": 30,
        "max_target_positions": 60,
    }
    module = made("WhisperForConditionalGeneration", "Whisper", options)
    inputs = {"input_features": torch.randn(3, 16, 60), "decoder_input_ids": tokens(7)}
    return Tiny(
        module, inputs, {"input_features": {0: BATCH}, "decoder_input_ids": {0: BATCH, 1: TARGET}}
    )


def clip() -> Tiny:
    """Texts and images, of a batch each."""
    words = {
        **WORDS,
        **SIZES,
        "max_position_embeddings": 40,
        "bos_token_id": 99,
        "eos_token_id": 100,
    }
    module = made(
        "CLIPModel", "CLIP", {"text_config": words, "vision_config": PATCHES, "projection_dim": 24}
    )
    ids = tokens(11)
    ids[:, -1] = 100
    inputs = {
        "input_ids": ids,
        "pixel_values": torch.randn(2, 3, 32, 32),
        "attention_mask": torch.ones_like(ids),
    }
    both = {0: BATCH, 1: LENGTH}
    return Tiny(
        module, inputs, {**dict.fromkeys(inputs, both), "pixel_values": {0: Dim("images", max=32)}}
    )


def blip() -> Tiny:
    words = {
        **WORDS,
        **SIZES,
        "max_position_embeddings": 40,
        "encoder_hidden_size": 32,
        "bos_token_id": 97,
        "sep_token_id": 98,
    }
    options = {
        "text_config": words,
        "vision_config": PATCHES,
        "projection_dim": 24,
        "image_text_hidden_size": 24,
    }
    module, ids, both = (
        made("BlipForConditionalGeneration", "Blip", options),
        tokens(11),
        {0: BATCH, 1: LENGTH},
    )
    inputs = {
        "pixel_values": torch.randn(3, 3, 32, 32),
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
    }
    return Tiny(module, inputs, {**dict.fromkeys(inputs, both), "pixel_values": {0: BATCH}})


TINY: dict[str, Callable[[], Tiny]] = {
    "bert": lambda: encoder("Bert"),
    "roberta": lambda: encoder("Roberta"),
    "distilbert": lambda: text(
        "DistilBertModel", "DistilBert", dim=32, n_layers=2, n_heads=4, hidden_dim=52
    ),
    "electra": lambda: encoder("Electra", embedding_size=24),
    "albert": lambda: encoder("Albert", embedding_size=24),
    "deberta-v2": lambda: encoder(
        "DebertaV2",
        relative_attention=True,
        position_biased_input=False,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        position_buckets=16,
        share_att_key=True,
    ),
    "mpnet": lambda: encoder("MPNet"),
    "gpt2": lambda: text("GPT2LMHeadModel", "GPT2", n_positions=80, n_embd=32, n_layer=2, n_head=4),
    "gpt-neo": lambda: text(
        "GPTNeoForCausalLM",
        "GPTNeo",
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        window_size=5,
        attention_types=[[["global", "local"], 1]],
        intermediate_size=52,
    ),
    "llama": lambda: decoder("Llama"),
    "mistral": lambda: decoder("Mistral", sliding_window=6),
    "qwen2": lambda: decoder("Qwen2"),
    "gemma": lambda: decoder("Gemma", head_dim=8),
    "mixtral": lambda: decoder("Mixtral", num_local_experts=4, num_experts_per_tok=2),
    "gpt-oss": lambda: decoder(
        "GptOss", num_local_experts=5, num_experts_per_tok=2, head_dim=8, sliding_window=7
    ),
    "deepseek-v3": lambda: decoder(
        "DeepseekV3",
        num_key_value_heads=4,
        n_routed_experts=8,
        n_group=4,
        topk_group=2,
        num_experts_per_tok=3,
        moe_intermediate_size=20,
        first_k_dense_replace=1,
        q_lora_rank=12,
        kv_lora_rank=12,
        qk_rope_head_dim=8,
        qk_nope_head_dim=8,
        v_head_dim=8,
    ),
    "phi": lambda: decoder("Phi", num_key_value_heads=4),
    "opt": lambda: text(
        "OPTForCausalLM",
        "OPT",
        hidden_size=32,
        num_hidden_layers=2,
        ffn_dim=52,
        num_attention_heads=4,
        word_embed_proj_dim=32,
    ),
    "bloom": lambda: text("BloomForCausalLM", "Bloom", hidden_size=32, n_layer=2, n_head=4),
    "t5": lambda: two_stacks(
        "T5ForConditionalGeneration",
        "T5",
        vocab_size=VOCABULARY,
        d_model=32,
        d_kv=8,
        d_ff=52,
        num_layers=2,
        num_heads=4,
        decoder_start_token_id=0,
    ),
    "bart": lambda: two_stacks("BartForConditionalGeneration", "Bart", **TWO_STACKS),
    "marian": lambda: two_stacks("MarianMTModel", "Marian", **TWO_STACKS),
    "whisper": whisper,
    "wav2vec2": lambda: speech("Wav2Vec2"),
    "hubert": lambda: speech("Hubert"),
    "vit": lambda: image("ViTModel", "ViT", **PATCHES),
    "deit": lambda: image("DeiTModel", "DeiT", **PATCHES),
    "swin": lambda: image(
        "SwinModel",
        "Swin",
        image_size=32,
        patch_size=2,
        embed_dim=16,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
    ),
    "dinov2": lambda: image(
        "Dinov2Model",
        "Dinov2",
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    ),
    "segformer": lambda: image(
        "SegformerForSemanticSegmentation",
        "Segformer",
        size=64,
        depths=[1] * 4,
        hidden_sizes=[8, 16, 24, 32],
        num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=24,
        num_labels=5,
    ),
    "clip": clip,
    "blip": blip,
}
