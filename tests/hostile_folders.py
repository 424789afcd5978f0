"""Folders of data that want code run, or other files opened: each with what it is refused as.

Whatever is unpickled or imported writes the marker.
"""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

BERT: Mapping[str, Any] = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": 101,
    "hidden_size": 12,
    "num_hidden_layers": 1,
    "num_attention_heads": 3,
    "intermediate_size": 17,
    "max_position_embeddings": 31,
}
TIMM = {"model_type": "timm_wrapper", "architecture": "resnet18"}
BACKBONE = {"model_type": "timm_backbone", "backbone": "resnet18"}
DETR = {"model_type": "detr", "architectures": ["DetrForObjectDetection"]}
INDEX = "model.safetensors.index.json"

Make = Callable[[Path], None]


class _WritesMarker:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


def marker_of(folder: Path) -> Path:
    """Return what is there once something of the folder has run."""
    return folder.parent / f"{folder.name}.marker"


def write_bait(folder: Path) -> None:
    """Write files that leave the marker when they are unpickled or imported."""
    marker = marker_of(folder)
    for name in ("evil.bin", "evil.pt", "evil", "pytorch_model.bin"):
        (folder / name).write_bytes(pickle.dumps(_WritesMarker(marker)))
    code = f"import os\nos.mkdir({str(marker)!r})\nclass Model: pass\nclass Processor: pass\n"
    (folder / "evil.py").write_text(code)


def write_config(folder: Path, config: Any) -> None:
    (folder / "config.json").write_text(json.dumps(config))


def write_weights(file: Path) -> None:
    safetensors.torch.save_file({"weight": torch.ones(2, 3)}, file)


def config(**changes: Any) -> Make:
    """A folder with weights, whose BERT config has these changes."""
    return plain({**BERT, **changes})


def plain(written: Any) -> Make:
    def make(folder: Path) -> None:
        write_weights(folder / "model.safetensors")
        write_config(folder, written)

    return make


def index(*names: Any) -> Make:
    """A folder whose index names these shards."""

    def make(folder: Path) -> None:
        write_config(folder, BERT)
        write_weights(folder.parent / "outside.safetensors")
        weight_map = {f"weight{number}": name for number, name in enumerate(names)}
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))

    return make


def processor(folder: Path) -> None:
    config(architectures=["AutoImageProcessor"])(folder)
    code = {"auto_map": {"AutoImageProcessor": "evil.Processor"}}
    (folder / "preprocessor_config.json").write_text(json.dumps(code))


def linked(name: str) -> Make:
    """A shard that is a link to a file outside."""

    def make(folder: Path) -> None:
        index("shard.safetensors")(folder)
        (folder / "shard.safetensors").symlink_to(folder.parent / name)

    return make


def linked_model(folder: Path) -> None:
    write_config(folder, BERT)
    write_weights(folder.parent / "outside.safetensors")
    (folder / "model.safetensors").symlink_to(folder.parent / "outside.safetensors")


def adapter(folder: Path) -> None:
    config()(folder)
    (folder / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(folder.parent)})
    )


UNSAFE: Mapping[str, Make] = {
    "timm unpickles a checkpoint": plain({**TIMM, "model_args": {"checkpoint_path": "evil.bin"}}),
    "timm opens a path": plain({**TIMM, "model_args": {"checkpoint_path": "/etc/passwd"}}),
    "timm takes any argument": plain({**TIMM, "model_args": {"depth": 3}}),
    "timm takes a list": plain({**TIMM, "model_args": ["evil.bin"]}),
    "timm reads a folder": plain({**TIMM, "architecture": "local-dir:evil"}),
    "timm reads the hub": plain({**TIMM, "architecture": "hf-hub:evil"}),
    "timm's own form": plain({"architecture": "resnet18", "model_args": {"file": "evil.bin"}}),
    "a backbone's arguments": plain({**BACKBONE, "backbone_kwargs": {"checkpoint_path": "evil"}}),
    "a backbone's overlay": plain({**BACKBONE, "backbone_kwargs": {"pretrained_cfg_overlay": {}}}),
    "a backbone within": plain(
        {**DETR, "backbone_config": {**TIMM, "model_args": {"checkpoint_path": "evil.pt"}}}
    ),
    "a backbone is a folder": plain({**DETR, "backbone": "./evil"}),
    "code for the model": config(auto_map={"AutoModel": "evil.Model"}),
    "code as a list": config(auto_map=["evil.Model"]),
    "code as text": config(auto_map="evil.Model"),
    "code in a part": config(text_config={"auto_map": {"AutoConfig": "evil.Model"}}),
    "code in a list of parts": config(parts=[{"auto_map": {"AutoModel": "evil.Model"}}]),
    "a kernel of the hub": config(_attn_implementation="stranger/kernel"),
    "a kernel by its public name": config(attn_implementation="stranger/kernel:Attention"),
    "weights elsewhere": config(transformers_weights="evil.bin"),
    "weights from above": config(transformers_weights="../outside.safetensors"),
    "weights at home": config(checkpoint="~evil"),
    "a path by its key": config(passages_path="evil"),
    "a path in a list": config(files=["evil.pt"]),
    "an address": config(source="https://example.org"),
    "a Windows path": config(source="C:\\evil"),
    "a pickled shard": index("evil.bin"),
    "a pickled shard beside a good one": index("model-1.safetensors", "evil.pt"),
    "a shard above": index("../outside.safetensors"),
    "a shard by an absolute path": index("/outside.safetensors"),
    "a shard in a folder": index("sub/shard.safetensors"),
    "a shard with a dot": index("./shard.safetensors"),
    "a shard that is a link": linked("outside.safetensors"),
    "a model that is a link": linked_model,
    "pickled weights alone": lambda folder: write_config(folder, BERT),
}

WRONG: Mapping[str, Make] = {
    "a processor": processor,
    "a tokenizer": config(architectures=["AutoTokenizer"]),
    "an automatic class": config(architectures=["AutoModel"]),
    "a function": config(architectures=["pipeline"]),
    "a config": config(architectures=["BertConfig"]),
    "a submodule": config(architectures=["models"]),
    "a dunder": config(architectures=["__class__"]),
    "a number": config(architectures=[3]),
    "a number for a list": config(architectures=3),
    "names for a list": config(architectures={"a": "BertModel"}),
    "text for a list": config(architectures="BertModel"),
    "the base class": config(architectures=["PreTrainedModel"]),
    "another model's class": config(architectures=["GPT2Model"]),
    "an adapter": adapter,
    "quantized weights": config(quantization_config={"quant_method": "bitsandbytes"}),
    "a shard that is missing": index("shard.safetensors"),
    "a link into nothing": linked("nowhere.safetensors"),
    "an index of numbers": index(3),
    "an index of nothing": index(),
    "no object": plain([1, 2]),
    "no type": plain({}),
    "a type that is a list": plain({"model_type": ["bert"]}),
    "an unknown type": plain({"model_type": "no_such_type"}),
    "a size as text": config(hidden_size="twelve"),
    "a size that is nothing": config(hidden_size=None),
    "a size below nothing": config(hidden_size=-12),
    "a size of nothing": config(num_attention_heads=0),
    "heads that do not divide": config(num_attention_heads=5),
    "a size beyond all memory": config(vocab_size=10**9),
    "layers without end": config(num_hidden_layers=10**9),
    "labels without end": config(num_labels=10**9),
    "an unknown activation": config(hidden_act="no such"),
    "an unknown dtype": config(torch_dtype="float3"),
    "an infinite size": config(hidden_size=float("inf")),
}
