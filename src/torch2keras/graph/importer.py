"""ExportedProgram -> Graph: binds every argument to its ATen schema once, and every size to an expression."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from typing import Any

import sympy
import torch
from torch.export.graph_signature import InputKind

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.source_lines import module_path, user_line
from torch2keras.graph.divisibility import find_divisible_symbols
from torch2keras.graph.ir import Constant, Graph, Node, Origin, TensorType, Value
from torch2keras.graph.symbolic import simplify_size


def import_graph(
    program: torch.export.ExportedProgram, graph_module: torch.fx.GraphModule
) -> Graph:
    """The typed graph of a captured program.

    Raises UnsupportedOpError for what is no ATen op: control flow, and operators of Python on tensors.
    """
    work = Importer(program)
    for node in graph_module.graph.nodes:
        work.add(node)
    return Graph(
        tuple(work.inputs),
        tuple(work.nodes),
        work.outputs,
        program.call_spec.out_spec,
        work.hints(),
    )


LOOPS = (torch.ops.higher_order.while_loop, torch.ops.higher_order.scan)


NUMBERS = (torch.SymInt, torch.SymFloat, torch.SymBool, int, float, bool)


class Importer:
    """The graph so far: what each FX node stands for."""

    def __init__(self, program: torch.export.ExportedProgram) -> None:
        self.program = program
        self.specs = iter(program.graph_signature.input_specs)
        self.trainable = {name for name, p in program.named_parameters() if p.requires_grad}
        self.stored: dict[tuple[int, torch.Size], list[str]] = {}
        """The names in the state_dict of the tensor at an address, of a shape."""
        for name, held in program.state_dict.items():
            self.stored.setdefault((held.data_ptr(), held.shape), []).append(name)
        self.constants: dict[tuple[Any, ...], Constant] = {}
        self.known: dict[torch.fx.Node, Any] = {}
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: tuple[Any, ...] = ()
        values = [n.meta.get("val") for n in program.graph.nodes if n.op == "placeholder"]
        sizes: list[Any] = [size for v in values if isinstance(v, torch.Tensor) for size in v.shape]
        env = next((size.node.shape_env for size in sizes if isinstance(size, torch.SymInt)), None)
        self.measured = _example_sizes(env)
        self.known_multiples = (
            find_divisible_symbols([g.expr for g in env.guards], self.measured) if env else {}
        )

    def add(self, node: torch.fx.Node) -> None:
        """Take one FX node in."""
        if node.op == "placeholder":
            self.known[node] = self._placeholder(node)
        elif node.op == "output":
            self.outputs = tuple(
                self._argument(a) for a in torch.utils._pytree.tree_leaves(node.args[0])
            )
        elif node.op == "get_attr":
            held = operator.attrgetter(str(node.target))(node.graph.owning_module)
            # A branch of control flow is held as a module; the node that calls it is refused.
            known = (
                self._constant(node.name, held, (), trainable=False)
                if isinstance(held, torch.Tensor)
                else held
            )
            self.known[node] = known
        elif node.op == "call_function":
            self._call(node)

    def _placeholder(self, node: torch.fx.Node) -> Any:
        spec = next(
            self.specs
        )  # by position: a pass that copies the graph may rename its placeholders
        if spec.kind is InputKind.USER_INPUT:
            value = node.meta.get("val")
            if not isinstance(value, torch.Tensor):
                return value
            made = Value(spec.arg.name, self._type(value))
            self.inputs.append(made)
            return made
        target = str(spec.target)
        table: Mapping[str, Any] = self.program.state_dict
        tensor = table[target] if target in table else self.program.constants[target]
        return self._constant(target, tensor, (target,), trainable=target in self.trainable)

    def _constant(
        self, name: str, tensor: torch.Tensor, paths: tuple[str, ...], *, trainable: bool
    ) -> Constant:
        """One Constant for one tensor, however many names it has."""
        key = (tensor.data_ptr() or id(tensor), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if key not in self.constants:
            named = tuple(self.stored.get((tensor.data_ptr(), tensor.shape), ())) if paths else ()
            shape = tuple(int(s) for s in tensor.shape)
            self.constants[key] = Constant(
                name, TensorType(shape, tensor.dtype), tensor.detach(), named or paths, trainable
            )
        return self.constants[key]

    def _call(self, node: torch.fx.Node) -> None:
        value = node.meta.get("val")
        if node.target is operator.getitem:
            several, number = node.args
            self.known[node] = self._argument(several)[number]
        elif isinstance(value, NUMBERS) and not isinstance(
            node.target, torch._ops.HigherOrderOperator
        ):
            self.known[node] = self._size(value)
        elif isinstance(node.target, torch._ops.OpOverload):
            outputs = self._results(node, value)
            self.nodes.append(Node(node.target, self._bind(node), outputs, origin_of(node)))
            single = isinstance(value, torch.Tensor)
            self.known[node] = outputs[0] if single else outputs
        else:
            raise UnsupportedOpError(
                f"no lowering for {node.target}",
                [
                    *origin_of(node).rows(),
                    *(
                        [("why", "Keras cannot save a model that holds such a loop")]
                        if node.target in LOOPS
                        else []
                    ),
                    (
                        "next",
                        "rewrite this part of forward with tensor operations, e.g. torch.where",
                    ),
                ],
            )

    def _results(self, node: torch.fx.Node, value: Any) -> tuple[Value, ...]:
        tensors: Iterable[Any] = (value,) if isinstance(value, torch.Tensor) else (value or ())
        names = (
            [node.name]
            if isinstance(value, torch.Tensor)
            else [f"{node.name}_{i}" for i, _ in enumerate(tensors)]
        )
        return tuple(
            Value(n, self._type(t))
            for n, t in zip(names, tensors, strict=True)
            if isinstance(t, torch.Tensor)
        )

    def _bind(self, node: torch.fx.Node) -> dict[str, Any]:
        """Every argument of the schema by name, defaults filled in."""
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        bound = {}
        for position, argument in enumerate(schema):
            if not argument.kwarg_only and position < len(node.args):
                bound[argument.name] = self._argument(node.args[position])
            elif argument.name in node.kwargs:
                bound[argument.name] = self._argument(node.kwargs[argument.name])
            else:
                bound[argument.name] = (
                    argument.default_value if argument.has_default_value() else None
                )
        return bound

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.known[argument]
        if isinstance(argument, list | tuple):
            return tuple(self._argument(a) for a in argument)
        return self._size(argument)

    def _type(self, tensor: torch.Tensor) -> TensorType:
        return TensorType(tuple(self._size(s) for s in tensor.shape), tensor.dtype)

    def _size(self, value: Any) -> Any:
        """A symbolic int as its expression; anything else as it is."""
        if isinstance(value, torch.SymInt | torch.SymFloat):
            expression: sympy.Expr = value.node.expr
            if self.known_multiples:
                expression = expression.subs(self.known_multiples)
            return simplify_size(expression) if isinstance(value, torch.SymInt) else expression
        return value

    def hints(self) -> dict[sympy.Symbol, int]:
        """What the symbols measured in the example."""
        parts = {
            m.free_symbols.pop(): self.measured[s] // int(m.as_coeff_Mul()[0])
            for s, m in self.known_multiples.items()
        }
        return self.measured | parts


def _example_sizes(env: Any) -> dict[sympy.Symbol, int]:
    if env is None:
        return {}
    table = env.backed_var_to_val if hasattr(env, "backed_var_to_val") else env.var_to_val
    return {symbol: int(value) for symbol, value in table.items()}


def origin_of(node: torch.fx.Node) -> Origin:
    """The module path and the user's line of an FX node."""
    path, cls = module_path(node)
    line = user_line(node)
    return Origin(path, cls, f"{line.file}:{line.line}", line.text) if line else Origin(path, cls)
