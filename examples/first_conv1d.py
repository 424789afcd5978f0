# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---
# %% [markdown]
# # A first Conv1d
#
# One layer with a stride and a padding, as Keras has it. This file is a notebook:
# `jupytext --to ipynb examples/first_conv1d.py`, or opened as one by Jupyter with jupytext, by
# VS Code and by PyCharm. It runs as a script too.

# %%
"""A first Conv1d: one layer with a stride and a padding, in Keras, as a notebook."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import torch
from torch import nn

import torch2keras as t2k

torch.manual_seed(0)
layer = nn.Conv1d(3, 16, 5, stride=2, padding=2)
x = torch.randn(2, 3, 20)  # (batch, channels, length)

# %% [markdown]
# The padding becomes a layer of its own: `padding="same"` would pad (1, 2) zeros here, and PyTorch
# pads (2, 2).

# %%
converted = t2k.convert(layer, x)
for made in converted.model.layers:
    print(type(made).__name__, made.name)

# %% [markdown]
# Keras takes (batch, length, channels). A port says how it lies, and moves a tensor.

# %%
port = converted.inputs[0]
print(f"{port.name}: {port.order}, {tuple(x.shape)} becomes {port.from_torch(x).shape}")

# %% [markdown]
# The numbers are PyTorch's. What was compared, and how near it came, is in the report, which shows
# itself as a page in a notebook.

# %%
difference = np.abs(converted(x) - layer(x).numpy(force=True)).max()
print(f"largest difference {difference:.1e}")
print(converted.report)

# %% [markdown]
# What you would write by hand, with the copying of the weights and a reason for each argument:

# %%
print(t2k.explain(layer))
