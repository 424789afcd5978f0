"""Each class of torch.nn has a page that says what becomes of it."""

from __future__ import annotations

import pytest

import site_layers


@pytest.fixture(scope="module")
def pages():
    names = ("ReLU", "LazyConv1d", "CrossMapLRN2d", "HuberLoss", "TripletMarginLoss", "ModuleList")
    return {page.name: page for page in site_layers.describe_layers(names)}


def test_a_layer_is_explained(pages):
    text = str(pages["ReLU"])
    assert text.startswith("# nn.ReLU\n\nBecomes `ReLU`. [All layers](index.md)\n\n## ReLU()\n")
    assert "```python\n# nn.ReLU() in Keras\n" in text
    assert pages["ReLU"].ops == ["aten.relu.default"]
    assert site_layers.name_layers_of_ops([pages["ReLU"]]) == {"aten.relu.default": ["ReLU"]}


def test_a_lazy_one_leads_to_what_it_becomes(pages):
    assert "it is [nn.Conv1d](nn.Conv1d.md)." in str(pages["LazyConv1d"])


def test_a_refused_one_has_the_message(pages):
    assert "Is refused. [All layers](index.md)\n\n## CrossMapLRN2d(3) is refused" in str(
        pages["CrossMapLRN2d"]
    )
    assert "UnsupportedOpError: " in str(pages["CrossMapLRN2d"])


def test_a_criterion_says_what_it_trains_with(pages):
    assert "gives `keras.losses.Huber`" in str(pages["HuberLoss"])
    assert "InputError: TripletMarginLoss has no equal" in str(pages["TripletMarginLoss"])


def test_the_list_has_each_page_below_its_group(pages):
    listed = site_layers.list_pages(list(pages.values()))
    assert listed.index("## Activations") < listed.index(
        "| [nn.ReLU](nn.ReLU.md) | becomes `ReLU` |"
    )
    assert "## Convolution" in listed
    assert "## Pooling" not in listed


def test_every_class_is_listed_and_has_a_group():
    names = site_layers.list_classes()
    assert len(names) > 150
    for name in ("Conv1d", "Transformer", "CTCLoss", "Flatten"):
        assert name in names
    modules = {getattr(site_layers.nn, name).__module__.rpartition(".")[2] for name in names}
    assert modules <= set(site_layers.GROUPS)


def test_a_layer_that_is_converted_has_no_place_among_the_refused():
    page = site_layers.LayerPage("ReLU", "Activations", "")
    with pytest.raises(AssertionError, match="not refused"):
        site_layers._show_refusal(page, "nn.ReLU()")
