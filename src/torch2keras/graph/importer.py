"""ExportedProgram -> Graph, with every argument bound to its ATen schema, once."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import sympy
import torch
from torch.export.graph_signature import InputKind
from torch.utils._pytree import tree_leaves

from torch2keras.errors import UnsupportedOpError
from torch2keras.fx_passes.source_lines import module_path, user_line
from torch2keras.graph.divisibility import find_divisible_symbols
from torch2keras.graph.element_moves import view_elements
from torch2keras.graph.ir import Constant, Graph, Node, Origin, TensorType, Value
from torch2keras.graph.symbolic import simplify_size


def import_graph(
    program: torch.export.ExportedProgram, graph_module: torch.fx.GraphModule
) -> Graph:
    """Return the typed graph of a captured program.

    Raises UnsupportedOpError for what is no ATen op: control flow, and operators of Python.
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
        """The names in the state_dict of the real numbers at an address, of a shape."""
        for name, held in program.state_dict.items():
            elements = view_elements(held)
            self.stored.setdefault((elements.data_ptr(), elements.shape), []).append(name)
        self.constants: dict[tuple[Any, ...], Constant] = {}
        self.known: dict[torch.fx.Node, Any] = {}
        self.inputs: list[Value] = []
        self.nodes: list[Node] = []
        self.outputs: tuple[Any, ...] = ()
        self.measured: dict[sympy.Symbol, int] = {}
        """What the symbols of torch.export measured in the example."""
        self.known_multiples: dict[sympy.Symbol, sympy.Expr] = {}
        env = _find_shape_env(program)
        if env is not None:
            self.measured = _example_sizes(env)
            guards = [guard.expr for guard in env.guards]
            self.known_multiples = find_divisible_symbols(guards, self.measured)

    def add(self, node: torch.fx.Node) -> None:
        """Take one FX node in."""
        if node.op == "placeholder":
            self.known[node] = self._placeholder(node)
        elif node.op == "output":
            self.outputs = tuple(map(self._argument, tree_leaves(node.args[0])))
        elif node.op == "get_attr":
            held = operator.attrgetter(str(node.target))(node.graph.owning_module)
            # A branch of control flow is held as a module; the node that calls it is refused.
            if isinstance(held, torch.Tensor):
                held = self._constant(node.name, held, (), trainable=False)
            self.known[node] = held
        elif node.op == "call_function":
            self._call(node)

    def _placeholder(self, node: torch.fx.Node) -> Any:
        # By position: a pass that copies the graph may rename its placeholders.
        spec = next(self.specs)
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
        if spec.kind is InputKind.PARAMETER:
            tensor = view_elements(tensor)
        return self._constant(target, tensor, (target,), trainable=target in self.trainable)

    def _constant(
        self, name: str, tensor: torch.Tensor, paths: tuple[str, ...], *, trainable: bool
    ) -> Constant:
        """Return the one Constant of a tensor, however many names it has."""
        key = (tensor.data_ptr() or id(tensor), tuple(tensor.shape), tensor.stride(), tensor.dtype)
        if key not in self.constants:
            if paths:
                elements = view_elements(tensor)
                stored = self.stored.get((elements.data_ptr(), elements.shape), ())
                paths = tuple(stored) or paths
            type_ = TensorType(tuple(map(int, tensor.shape)), tensor.dtype)
            self.constants[key] = Constant(name, type_, tensor.detach(), paths, trainable)
        return self.constants[key]

    def _call(self, node: torch.fx.Node) -> None:
        value = node.meta.get("val")
        is_control_flow = isinstance(node.target, torch._ops.HigherOrderOperator)
        if node.target is operator.getitem:
            several, number = node.args
            self.known[node] = self._argument(several)[number]
        elif isinstance(value, NUMBERS) and not is_control_flow:
            self.known[node] = self._size(value)
        elif isinstance(node.target, torch._ops.OpOverload):
            outputs = self._results(node, value)
            self.nodes.append(Node(node.target, self._bind(node), outputs, origin_of(node)))
            self.known[node] = outputs[0] if isinstance(value, torch.Tensor) else outputs
        else:
            raise _refuse(node)

    def _results(self, node: torch.fx.Node, value: Any) -> tuple[Value, ...]:
        """Return the values for the fake results of a node: one tensor, or a list of them."""
        if isinstance(value, torch.Tensor):
            return (Value(node.name, self._type(value)),)
        results = []
        for number, result in enumerate(value or ()):
            if isinstance(result, torch.Tensor):
                results.append(Value(f"{node.name}_{number}", self._type(result)))
        return tuple(results)

    def _bind(self, node: torch.fx.Node) -> dict[str, Any]:
        """Return every argument of the schema by name, defaults filled in."""
        schema = node.target._schema.arguments  # type: ignore[union-attr]
        bound: dict[str, Any] = {}
        for position, argument in enumerate(schema):
            name = argument.name
            if not argument.kwarg_only and position < len(node.args):
                bound[name] = self._argument(node.args[position])
            elif name in node.kwargs:
                bound[name] = self._argument(node.kwargs[name])
            elif argument.has_default_value():
                bound[name] = argument.default_value
            else:
                bound[name] = None
        return bound

    def _argument(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.known[argument]
        if isinstance(argument, list | tuple):
            return tuple(self._argument(a) for a in argument)
        return self._size(argument)

    def _type(self, tensor: torch.Tensor) -> TensorType:
        return TensorType(tuple(map(self._size, tensor.shape)), tensor.dtype)

    def _size(self, value: Any) -> Any:
        """Return a symbolic number as its expression; anything else as it is."""
        if isinstance(value, torch.SymInt | torch.SymFloat):
            expression: sympy.Expr = value.node.expr
            if self.known_multiples:
                expression = expression.subs(self.known_multiples)
            return simplify_size(expression) if isinstance(value, torch.SymInt) else expression
        return value

    def hints(self) -> dict[sympy.Symbol, int]:
        """Return what the symbols measured in the example."""
        hints = dict(self.measured)
        for symbol, multiple in self.known_multiples.items():
            factor, (part,) = int(multiple.as_coeff_Mul()[0]), multiple.free_symbols
            hints[part] = self.measured[symbol] // factor
        return hints


def _refuse(node: torch.fx.Node) -> UnsupportedOpError:
    """Return the error for a node that calls no ATen op."""
    why = "Keras cannot save a model that holds such a loop" if node.target in LOOPS else ""
    step = "rewrite this part of forward with tensor operations, e.g. torch.where"
    rows = [*origin_of(node).rows(), ("why", why), ("next", step)]
    return UnsupportedOpError(f"no lowering for {node.target}", rows)


def _find_shape_env(program: torch.export.ExportedProgram) -> Any:
    """Return torch.export's ShapeEnv, which knows its symbols; None where all sizes are numbers."""
    for node in program.graph.find_nodes(op="placeholder"):
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor):
            continue
        for size in value.shape:
            if isinstance(size, torch.SymInt):
                return size.node.shape_env
    return None


def _example_sizes(env: Any) -> dict[sympy.Symbol, int]:
    table = env.backed_var_to_val if hasattr(env, "backed_var_to_val") else env.var_to_val
    return {symbol: int(value) for symbol, value in table.items()}


def origin_of(node: torch.fx.Node) -> Origin:
    """Return the module path and the user's line of an FX node."""
    path, cls = module_path(node)
    line = user_line(node)
    if line is None:
        return Origin(path, cls)
    return Origin(path, cls, f"{line.file}:{line.line}", line.text)
