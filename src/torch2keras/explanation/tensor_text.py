"""How a tensor of a PyTorch module is written: an entry of its state, or what is made of some.

What PyTorch computes of parameters alone, as the sum of two biases or a normalized kernel, is
computed once when a module is converted. Common ways are written in NumPy, all others as calls of
the operators that PyTorch itself runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import nn

from torch2keras.errors import InternalError
from torch2keras.explanation.move_text import constant_argument, torch_move
from torch2keras.explanation.weight_text import weight_text
from torch2keras.graph.ir import Constant, Node, argument_leaves
from torch2keras.keras_graph.source.expressions import constant_text, list_text, quote
from torch2keras.keras_graph.source.identifiers import find_free_name, identifier
from torch2keras.keras_graph.source.wrapping import split_brackets
from torch2keras.keras_graph.weight import Weight
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.native_attributes import own_members

aten = torch.ops.aten

WriteArgument: TypeAlias = Callable[[Any], str]
WriteNode: TypeAlias = Callable[[Mapping[str, Any], WriteArgument], str]
"""Returns an operator's NumPy, given its arguments and what writes one of them."""


def _is_enclosed(text: str) -> bool:
    """Return whether an expression stands in brackets of its own."""
    brackets, tail = split_brackets(text)
    return len(brackets) == 1 and not brackets[0].lead and not tail


def _infix(sign: str) -> WriteNode:
    return lambda args, write: f"({write(args['self'])} {sign} {write(args['other'])})"


def _axis_text(args: Mapping[str, Any]) -> str:
    return f", axis={args['dim']}" if args["dim"] else ""


def _write_stack(args: Mapping[str, Any], write: WriteArgument) -> str:
    return f"np.stack({write(args['tensors'])}{_axis_text(args)})"


def _write_join(args: Mapping[str, Any], write: WriteArgument) -> str:
    return f"np.concatenate({write(args['tensors'])}{_axis_text(args)})"


def _write_rows(args: Mapping[str, Any], write: WriteArgument) -> str:
    return f"{write(args['weight'])}[{write(args['indices'])}]"


NUMPY: Mapping[Any, WriteNode] = {
    aten.add.Tensor: _infix("+"),
    aten.sub.Tensor: _infix("-"),
    aten.mul.Tensor: _infix("*"),
    aten.div.Tensor: _infix("/"),
    aten.stack.default: _write_stack,
    aten.cat.default: _write_join,
    aten.embedding.default: _write_rows,
}
"""The operators that are written in NumPy."""


class TensorWriter:
    """Writes the tensors of one module, which is called `layer` in the code, `state` its entries.

    With a `prefix`, the names of entries that begin with it begin with the variable `path`.
    `taken` are names of variables that the code has already.
    """

    def __init__(self, module: nn.Module, taken: set[str], prefix: str | None = None) -> None:
        self.module, self.taken, self.prefix = module, taken, prefix
        self.lines: list[str] = []
        """Statements that have to stand before the expression that was written last."""
        self._variables: dict[Node, str] = {}
        self._reads: Counter[Node] = Counter()

    def write(self, weight: Weight, variable: str | None = None) -> str:
        """Return the NumPy expression of a Keras weight; `lines` are what has to stand before it.

        What PyTorch computes and is rearranged for Keras becomes a variable of the name given.
        Raises InternalError where it is computed by what PyTorch alone does not have.
        """
        constant = weight.constant
        self.lines, self._variables, self._reads = [], {}, _count_reads(constant)
        if constant.recipe is None:
            return weight_text(weight, self._entry(constant))
        if all(map(_is_numpy, self._reads)):
            text = self._compute(constant, self._numpy)
        else:
            text = f"{self._compute(constant, self._torch)}.numpy(force=True)"
        moved = weight_text(weight, text)
        if moved == text:
            return text.removeprefix("(").removesuffix(")") if _is_enclosed(text) else text
        if variable is None:
            return moved
        name = find_free_name(variable, self.taken)
        self.lines.append(f"{name} = {text}")
        return weight_text(weight, name)

    def _entry(self, constant: Constant) -> str:
        """Return a tensor of the module as NumPy."""
        for path in constant.paths:
            if _is_plain_attribute(self.module, path, constant.tensor):
                owner, _, name = path.rpartition(".")
                part = f"layer.get_submodule({quote(owner)})" if owner else "layer"
                return f"getattr({part}, {quote(name)}).numpy(force=True)"
            held = find_state_tensor(self.module, path)
            if held is None:
                continue
            text = f"state[{self._key(path)}]"
            if held.is_complex() and not constant.tensor.is_complex():
                return f"np.stack([{text}.real, {text}.imag], axis=-1)"
            return text
        values = constant_text(constant.tensor.tolist())
        return f"np.array({values}, dtype={quote(to_numpy(constant.tensor).dtype.name)})"

    def _key(self, path: str) -> str:
        """Return the name of an entry as a literal, or as one that begins with `path`."""
        if not self.prefix or not path.startswith(f"{self.prefix}."):
            return quote(path)
        rest = quote(path.removeprefix(self.prefix)).replace("{", "{{").replace("}", "}}")
        return f'f"{{path}}{rest[1:]}'

    def _numpy(self, value: Any) -> str:
        """Return an argument of an operator as NumPy."""
        if isinstance(value, list | tuple):
            return list_text(map(self._numpy, value))
        if not isinstance(value, Constant):
            return constant_argument(value)
        text = self._compute(value, self._numpy) or self._entry(value)
        return weight_text(Weight.of(value), text)

    def _torch(self, value: Any) -> str:
        """Return an argument of an operator as PyTorch's tensor."""
        if isinstance(value, list | tuple):
            return list_text(map(self._torch, value))
        if not isinstance(value, Constant):
            return constant_argument(value)
        text = self._compute(value, self._torch)
        if not text:
            text = f"torch.from_numpy({self._entry(value)})"
        for move in value.moves:
            text = torch_move(text, move)
        return text

    def _compute(self, constant: Constant, write: WriteArgument) -> str:
        """Return what computes a folded constant, as a variable where it is read several times.

        It is empty for what is not computed.
        """
        if constant.recipe is None:
            return ""
        node, number = constant.recipe
        text = self._variables.get(node, "")
        if not text:
            if write == self._numpy:
                text = NUMPY[node.op](node.args, write)
            else:
                text = _call_text(node, write)
            if self._reads[node] > 1:
                name = find_free_name(identifier(node.op.overloadpacket.__name__), self.taken)
                self.taken.add(name)
                self.lines.append(f"{name} = {text}")
                text = self._variables[node] = name
        if len(node.op._schema.returns) == 1 and "[]" not in str(node.op._schema.returns[0].type):
            return text
        return f"{text}[{number}]"


def _is_plain_attribute(module: nn.Module, path: str, tensor: torch.Tensor) -> bool:
    """Return whether a tensor is an attribute of the module that is no parameter nor buffer."""
    owner, _, name = path.rpartition(".")
    try:
        held = vars(module.get_submodule(owner)).get(name)
    except AttributeError:
        return False
    if not isinstance(held, torch.Tensor):
        return False
    return held.dtype is tensor.dtype and torch.equal(held, tensor)


def find_state_tensor(module: nn.Module, path: str) -> torch.Tensor | None:
    """Return the parameter or buffer of a module at a path; None where there is none."""
    owner, _, name = path.rpartition(".")
    try:
        part = module.get_submodule(owner)
    except AttributeError:
        return None
    held = {**own_members(part, "_buffers"), **own_members(part, "_parameters")}
    return held.get(name)


def _count_reads(constant: Constant) -> Counter[Node]:
    """Return how often each node's results are read on the way to a constant."""
    reads: Counter[Node] = Counter()
    pending = [constant]
    while pending:
        recipe = pending.pop().recipe
        if recipe is None:
            continue
        node, _ = recipe
        reads[node] += 1
        if reads[node] == 1:
            pending += [value for value in node.operands if isinstance(value, Constant)]
    return reads


def _is_numpy(node: Node) -> bool:
    """Return whether the table of NumPy has an operator, with these arguments."""
    is_scaled = node.args.get("alpha", 1) != 1
    has_gradient_options = node.args.get("scale_grad_by_freq", False)
    return node.op in NUMPY and not is_scaled and not has_gradient_options


def _call_text(node: Node, write: WriteArgument) -> str:
    """Return a call of PyTorch's operator, without arguments that are its defaults.

    Raises InternalError where the operator is not PyTorch's own.
    """
    if node.op.namespace not in ("aten", "prims"):
        raise InternalError(f"a weight is computed by {node.op}, which PyTorch does not have")
    arguments = []
    is_by_name = False
    for argument in node.op._schema.arguments:
        value = node.args[argument.name]
        if argument.has_default_value() and _is_equal(value, argument.default_value):
            is_by_name = True
            continue
        is_by_name = is_by_name or argument.kwarg_only
        text = write(value)
        arguments.append(f"{argument.name}={text}" if is_by_name else text)
    return f"torch.ops.{node.op}({', '.join(arguments)})"


def _is_equal(value: Any, default: Any) -> bool:
    """Return whether an argument is a default; tensors never are."""
    return not any(isinstance(item, Constant) for item in argument_leaves(value)) and (
        repr(value) == repr(default)
    )
