"""How users call a module: one tensor, a tokenizer's mapping, models that would give a cache."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import GPT2Config, PretrainedConfig

import torch2keras as t2k
from torch2keras.capture.module_call import WITHOUT_CACHE, to_module_call


class Composite(PretrainedConfig):
    """A config whose decoder has one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = GPT2Config()


class Decoder(nn.Module):
    """As a transformers model: a table, and the keys of what it has read unless told not to."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config, self.table = config, nn.Embedding(11, 5)

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, use_cache: bool | None = None
    ) -> dict[str, Any]:
        y = self.table(ids)
        y = y if mask is None else y * mask[..., None]
        return {"y": y} if use_cache is False else {"y": y, "keys": object()}


class Both(nn.Module):
    """Two inputs."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x - y


IDS = torch.tensor([[1, 2, 3], [4, 5, 6]])


def test_one_tensor_is_the_only_argument() -> None:
    assert to_module_call(nn.ReLU(), IDS, None).args == (IDS,)
    converted = t2k.convert(nn.Conv1d(3, 5, 3), torch.randn(2, 3, 11))
    assert converted.outputs[0].torch_shape[1:] == (5, 9)


def test_a_mapping_is_keywords() -> None:
    given = UserDict({"y": torch.randn(2, 3), "x": torch.randn(2, 3)})
    converted = t2k.convert(Both(), given)
    assert [p.name for p in converted.inputs] == ["y", "x"]
    assert converted(**given) == pytest.approx(given["x"].numpy() - given["y"].numpy())


@pytest.mark.parametrize("config", [GPT2Config(), Composite()])
def test_nobody_asks_for_a_cache(config: Any) -> None:
    converted = t2k.convert(
        Decoder(config).eval(), {"ids": IDS}, dynamic_shapes={"ids": {0: torch.export.Dim.AUTO}}
    )
    assert WITHOUT_CACHE in converted.report.notes
    assert set(converted(ids=IDS)) == {"y"}


class FurtherDecoder(Decoder):
    """Told so by further keywords, as GraniteMoe is."""

    def forward(self, ids: Tensor, cache: Any = None, **kwargs: Any) -> dict[str, Any]:
        assert cache is None
        return super().forward(ids, **kwargs)


def test_further_keywords_tell_that_nobody_asks_for_a_cache() -> None:
    net = FurtherDecoder(GPT2Config()).eval()
    for shapes in ({"ids": {0: torch.export.Dim.AUTO}}, None):
        converted = t2k.convert(net, {"ids": IDS}, dynamic_shapes=shapes)
        assert WITHOUT_CACHE in converted.report.notes
        assert set(converted(ids=IDS, use_cache=False)) == {"y"}


def test_a_cache_that_is_not_made() -> None:
    assert to_module_call(Decoder(GPT2Config(use_cache=False)), {"ids": IDS}, None).notes == ()
    assert to_module_call(nn.ReLU(), (IDS,), None).notes == ()


class Frozen(dict):
    """As the configs of diffusers, which refuse to be changed or asked by attribute."""

    use_cache = property(lambda self: 1 / 0)
    update = property(lambda self: 1 / 0)


@pytest.mark.parametrize(
    "config", ["unet", 7, Frozen(use_cache=True), nn.ReLU(), {"use_cache": True}]
)
def test_the_config_of_another_library_is_not_asked(config: Any) -> None:
    module = Decoder(config)
    assert to_module_call(module, {"ids": IDS}, None).kwargs == {"ids": IDS}


def test_a_config_that_is_computed_is_not_asked() -> None:
    class Computed(nn.ReLU):
        config = property(lambda self: 1 / 0)

    assert to_module_call(Computed(), (IDS,), None).notes == ()
