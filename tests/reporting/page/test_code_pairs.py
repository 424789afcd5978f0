"""Functions beside the classes that they were made of."""

from __future__ import annotations

from torch2keras.reporting.page.code_pairs import split_code

CODE = '''"""Made of a module."""

import keras

# net.Block, net.py:
#  41  def forward(self, x):
#  43      return self.conv(x)
def block(x, *, name):
    return keras.layers.Conv1D(5, name=f"{name}_conv")(x)  # line 43


# net.Plain
def plain(x):
    return x


def build():
    return 7
'''


def test_a_function_has_the_listing_above_it() -> None:
    block, plain, build = split_code(CODE)
    assert (block.name, block.cls, block.anchor) == ("block", "net.Block", "code-block")
    assert block.torch_lines == (" 41  def forward(self, x):", " 43      return self.conv(x)")
    assert block.keras_lines[0] == "def block(x, *, name):"
    assert len(block.keras_lines) == 2
    assert (plain.cls, plain.torch_lines) == ("net.Plain", ())
    assert (build.cls, build.torch_lines) == ("", ())
