"""The zoos: names that they know, no downloads, and what is said without their package."""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import pytest
import torch
from torch import nn

from command import Hidden
from torch2keras.cli.zoos import ZOOS, has_random_weights, similar_names
from torch2keras.errors import InputError, SourceError, UnsafeFileError

PACKAGES = {
    "torchvision": "torchvision",
    "timm": "timm",
    "ultralytics": "ultralytics",
    "smp": "segmentation_models_pytorch",
    "diffusers": "diffusers",
}


@pytest.fixture
def model_folder(tmp_path):
    """A folder as diffusers writes it, of a model called Denoiser."""
    save_file = pytest.importorskip("safetensors.torch").save_file
    config = {"_class_name": "Denoiser", "_diffusers_version": "0.30.0", "width": 5}
    (tmp_path / "config.json").write_text(json.dumps(config))
    weights = {"layer.weight": torch.ones(5, 3), "layer.bias": torch.ones(5)}
    save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors")
    return tmp_path


@pytest.mark.parametrize("zoo", PACKAGES)
def test_a_missing_package_is_named_with_its_installation(zoo, monkeypatch, model_folder) -> None:
    package = PACKAGES[zoo]
    for name in [n for n in sys.modules if n == package or n.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [Hidden(package), *sys.meta_path])
    with pytest.raises(SourceError, match=rf"needs the package {package}(.|\n)*pip install"):
        ZOOS[zoo](str(model_folder))


def stand_in(monkeypatch, name: str, **members: Any) -> types.ModuleType:
    """A package of this name with these members."""
    package = types.ModuleType(name)
    vars(package).update(members)
    monkeypatch.setitem(sys.modules, name, package)
    return package


def test_an_architecture_of_smp_has_no_weights_to_download(monkeypatch) -> None:
    class Unet(nn.Module):
        def __init__(self, **options):
            super().__init__()
            self.options = options

    encoders = types.SimpleNamespace(get_encoder_names=lambda: ["resnet18"])
    stand_in(
        monkeypatch,
        "segmentation_models_pytorch",
        MODEL_ARCHITECTURES_MAPPING={"unet": Unet},
        encoders=encoders,
    )
    assert ZOOS["smp"]("Unet").options == {"encoder_weights": None}
    for encoder in ("resnet18", "tu-convnext_atto"):
        options = {"encoder_weights": None, "encoder_name": encoder}
        assert ZOOS["smp"](f"Unet:{encoder}").options == options
    with pytest.raises(SourceError, match=r"no model 'Unets'(.|\n)*close +Unet"):
        ZOOS["smp"]("Unets")
    with pytest.raises(SourceError, match=r"no model 'resnet19'(.|\n)*close +resnet18"):
        ZOOS["smp"]("Unet:resnet19")


@pytest.mark.parametrize(
    ("name", "maker"),
    [("yolo11n", "YOLO"), ("yolo11n-seg", "YOLO"), ("yolo11-seg", "YOLO"), ("rtdetr-l", "RTDETR")],
)
def test_a_network_of_ultralytics_is_made_of_its_yaml(name, maker, monkeypatch, tmp_path) -> None:
    folder = tmp_path / "cfg" / "models" / "11"
    folder.mkdir(parents=True)
    for stem in ("yolo11", "yolo11-seg", "rtdetr-l"):
        (folder / f"{stem}.yaml").touch()
    made = []

    def make(kind: str) -> Any:
        def make_model(file: str) -> Any:
            made.append((kind, file))
            return types.SimpleNamespace(model=nn.Identity())

        return make_model

    package = stand_in(monkeypatch, "ultralytics", YOLO=make("YOLO"), RTDETR=make("RTDETR"))
    package.__file__ = str(tmp_path / "__init__.py")
    assert isinstance(ZOOS["ultralytics"](name), nn.Identity)
    assert made == [(maker, f"{name}.yaml")]
    with pytest.raises(SourceError, match=r"no model 'yolo12'(.|\n)*close +yolo11"):
        ZOOS["ultralytics"]("yolo12n")


@pytest.fixture
def diffusers(monkeypatch):
    class ModelMixin(nn.Module):
        @classmethod
        def from_config(cls, config):
            return cls(config["width"])

    class Denoiser(ModelMixin):
        def __init__(self, width):
            super().__init__()
            self.layer = nn.Linear(3, width)

    members = {"ModelMixin": ModelMixin, "Denoiser": Denoiser, "Pipeline": nn.Module}
    return stand_in(monkeypatch, "diffusers", **members)


def test_a_folder_of_diffusers_has_its_weights(diffusers, model_folder) -> None:
    module = ZOOS["diffusers"](str(model_folder))
    assert float(module.layer.weight.detach().sum()) == 15
    alone = ZOOS["diffusers"](str(model_folder / "config.json"))
    assert float(alone.layer.weight.detach().sum()) != 15


def write_config(folder, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


@pytest.mark.parametrize(
    ("changes", "kind", "says"),
    [
        ({"_class_name": "Pipeline"}, SourceError, "names no model of diffusers"),
        ({"_class_name": "os"}, SourceError, "names no model of diffusers"),
        ({"width": 7}, InputError, r"layer.weight \(5, 3\), in the module \(7, 3\)"),
        ({"width": "wide"}, SourceError, "makes no model"),
        ({"encoder": "/etc/passwd"}, UnsafeFileError, "names a file"),
    ],
)
def test_configs_that_are_refused(changes, kind, says, diffusers, model_folder) -> None:
    write_config(model_folder, **changes)
    with pytest.raises(kind, match=says):
        ZOOS["diffusers"](str(model_folder))


def test_folders_without_a_model(diffusers, model_folder) -> None:
    with pytest.raises(SourceError, match="there is no"):
        ZOOS["diffusers"](str(model_folder / "nowhere"))
    (model_folder / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(SourceError, match="holds no weights"):
        ZOOS["diffusers"](str(model_folder))
    (model_folder / "model_index.json").write_text("{}")
    (model_folder / "unet").mkdir()
    (model_folder / "config.json").rename(model_folder / "unet" / "config.json")
    with pytest.raises(SourceError, match=r"several models(.|\n)*unet"):
        ZOOS["diffusers"](str(model_folder))


def test_whose_weights_are_random(tmp_path) -> None:
    for source in ("timm:resnet18", "smp:Unet", f"hf:{tmp_path / 'config.json'}"):
        assert has_random_weights(source)
    for source in ("models:small", f"hf:{tmp_path}", "torchscript:a.pt", "net.py:Net"):
        assert not has_random_weights(source)


def test_names_that_are_alike() -> None:
    assert similar_names("resnet19", ["resnet18", "vit_b"]) == "resnet18"
