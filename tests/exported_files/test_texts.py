"""The forms of an exported program's texts: what PyTorch writes passes, what is code does not."""

from __future__ import annotations

import pytest

from torch2keras.exported_files import texts

CODE = "__import__('os').getcwd()"
LEAF = '{"type": null, "context": null, "children_spec": []}'


def tree(kind="builtins.tuple", context="null", children=LEAF):
    return f'[1, {{"type": "{kind}", "context": {context}, "children_spec": [{children}]}}]'


TAKEN = [
    (texts.is_name, "p_blocks_0_c_weight"),
    (texts.is_name, "x"),
    (texts.is_argument_name, ""),
    (texts.is_argument_name, "self"),
    (texts.is_path, ""),
    (texts.is_path, "blocks.0.c.weight"),
    (texts.is_path, "shared@1"),
    (texts.is_words, "ij,jk->ik"),
    (texts.is_words, "same"),
    (texts.is_version, "2.14.1+cu130"),
    (texts.is_version, "<=2.4"),
    (texts.is_symbolic, "s77"),
    (texts.is_symbolic, "Symbol('s58', positive=True, integer=True)"),
    (texts.is_symbolic, "2*s0 + 3*s1 - 1"),
    (texts.is_symbolic, "FloorDiv(s0 - 5, 2) + 1"),
    (texts.is_symbolic, "Max(1, s0)**2"),
    (texts.is_symbolic, "u3 >= 0"),
    (texts.is_guard, "L['x'].size()[1] == 7"),
    (texts.is_guard, "L['x'][0]['mask'].size()[2] % 2 == 0 and L['y'].size()[0] >= 2"),
    (texts.is_tree, tree()),
    (texts.is_tree, tree("builtins.dict", '"[\\"a\\"]"')),
    (texts.is_data, '{"a": [1, 2]}'),
    (texts.is_anything, "File 'a.py', line 3\n    \x1b[2J"),
]


REFUSED = [
    (texts.is_name, ""),
    (texts.is_name, "class"),
    (texts.is_name, "__import__"),
    (texts.is_name, "a b"),
    (texts.is_name, "a\n"),
    (texts.is_name, "é"),
    (texts.is_name, "a" * 1001),
    (texts.is_argument_name, "x=1, y"),
    (texts.is_path, "a..b"),
    (texts.is_path, "a; b"),
    (texts.is_path, "../a"),
    (texts.is_words, "same'"),
    (texts.is_words, "a\nb"),
    (texts.is_version, "2.0 "),
    (texts.is_symbolic, ""),
    (texts.is_symbolic, CODE),
    (texts.is_symbolic, f"FloorDiv({CODE}, 2)"),
    (texts.is_symbolic, "Symbol('x', positive=True)"),
    (texts.is_symbolic, "Symbol('s1', positive=s2)"),
    (texts.is_symbolic, "Symbol('s1').args"),
    (texts.is_symbolic, "s1.args"),
    (texts.is_symbolic, "s1[0]"),
    (texts.is_symbolic, "lambda: s1"),
    (texts.is_symbolic, "factorial(s1)"),
    (texts.is_symbolic, "9**9**9"),
    (texts.is_symbolic, "2**s1"),
    (texts.is_symbolic, "9" * 30),
    (texts.is_symbolic, "-" * 3000 + "s1"),
    (texts.is_symbolic, "'s1'"),
    (texts.is_guard, CODE),
    (texts.is_guard, "L['x'].numel() == 3"),
    (texts.is_guard, "L['x'].size()[0].real == 3"),
    (texts.is_guard, "G['x'].size()[0] == 3"),
    (texts.is_guard, f"L['x'].size()[{CODE}] == 3"),
    (texts.is_guard, "L['x\\n'].size()[0] == 3"),
    (texts.is_tree, ""),
    (texts.is_tree, "[1"),
    (texts.is_tree, "[2, {}]"),
    (texts.is_tree, tree("collections.namedtuple")),
    (texts.is_tree, tree(context='"{\\"__enum__\\": true}"')),
    (texts.is_tree, tree(context='{"__enum__": true}')),
    (texts.is_tree, tree(context='"[{\\"__enum__\\": true}]"')),
    (texts.is_tree, tree(children=tree()[4:-1].replace("builtins.tuple", "this.that"))),
    (texts.is_data, "{"),
    (texts.is_data, "[" * 100_000),
    (texts.is_anything, "a\0b"),
]


@pytest.mark.parametrize(("check", "text"), TAKEN)
def test_what_pytorch_writes_passes(check, text):
    assert check(text)


@pytest.mark.parametrize(("check", "text"), REFUSED)
def test_all_else_is_refused(check, text):
    assert not check(text)
