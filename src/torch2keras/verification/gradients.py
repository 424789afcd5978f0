"""Gradients: those of every parameter and input, on one random cotangent, in float64.

Outputs say nothing of how a model trains: a custom backward, a hook or a detached value has the
same outputs and other gradients. Compared is the module in float64, in eval mode and in train mode,
by autograd with the Keras graph in float64 by TensorFlow's tape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import keras
import numpy as np
import torch
from torch._C import DisableTorchFunction
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from torch2keras.capture.failures import first_line
from torch2keras.capture.nominal_dtype import nominal_dtype
from torch2keras.conversion.ports import Port
from torch2keras.conversion.record import Conversion
from torch2keras.custom_ops.recurrent import pad_packed_in_full
from torch2keras.errors import VerificationError
from torch2keras.graph.element_moves import view_elements
from torch2keras.keras_model.execute import run_graph
from torch2keras.keras_model.layers import Layers, find_variable
from torch2keras.runtime.arrays import to_numpy
from torch2keras.runtime.isolation import isolate_module, silence_output
from torch2keras.training.weight_gradients import pull_back
from torch2keras.verification.divergence import NEXT
from torch2keras.verification.float64_keras import widen_inputs
from torch2keras.verification.float64_torch import float64_arithmetic
from torch2keras.verification.input_sets import example_tensors, replace_tensors
from torch2keras.verification.learning.train_mode import KerasTraining, set_train_mode
from torch2keras.verification.probes import probes
from torch2keras.verification.results import Learning, LearningCheck, Verdict
from torch2keras.workarounds.float64_promotion import double_precision

RELATIVE = 1e-8
"""The allowed error, as a share of the parameter's largest gradient."""

FLOOR = 1e-11
"""The same, as a share of the largest gradient of all: that of a bias before a norm is rounding."""

DETACHED = "torch.export took the module only with strict=True, and detached custom functions"

Gradients = Mapping[str, np.ndarray]
"""By the name of a parameter or of an input, in PyTorch's order. None stands for zeros."""


def verify_gradients(conversion: Conversion, *, asked: bool) -> Learning:
    """Return notes on the gradients; none where they are equal and nobody asked.

    Without being asked they are compared only where the module has what may make them differ, and
    in eval mode alone.
    Raises VerificationError where they differ and no note of the capture says that they will.
    """
    if not (asked or conversion.captured.training.doubts):
        return Learning()
    notes, checks, equal = [], [], []
    for training in (False, True) if asked else (False,):
        mode = "train mode" if training else "eval mode"
        try:
            check = compare_gradients(conversion, training=training)
        except GradientsNotComparedError as error:
            notes.append(f"The gradients in {mode} were not compared with PyTorch's: {error}.")
            continue
        checks.append(check)
        if check.differing:
            notes.append(_explain_difference(conversion, check))
        else:
            equal.append(mode)
    if equal:
        told = f"The gradients of all {len(checks[0].errors)} parameters and inputs are PyTorch's"
        modes = " and in ".join(equal)
        notes.append(f"{told}, in float64, on the one random cotangent that was tried, in {modes}.")
    return Learning(tuple(notes), tuple(checks))


def _explain_difference(conversion: Conversion, check: LearningCheck) -> str:
    """Return a note where the capture knows why gradients differ. Raises VerificationError."""
    training = conversion.captured.training
    known = training.differences
    if conversion.captured.strict and training.functions.measured:
        known = (*known, DETACHED)
    if not known:
        rows = [
            ("which", check.describe()),
            ("what", check.what),
            ("because", "; ".join(training.doubts)),
            ("next", NEXT),
        ]
        raise VerificationError("the gradients of the converted model are not PyTorch's", rows)
    return f"The gradients differ from PyTorch's: {check.describe()}. {'; '.join(known)}."


class GradientsNotComparedError(Exception):
    """Says why gradients could not be compared."""


def compare_gradients(conversion: Conversion, *, training: bool = False) -> LearningCheck:
    """Compare on normal inputs of the example's shapes, in eval mode or `training`.

    Raises GradientsNotComparedError where one of the sides gives none.
    """
    if keras.backend.backend() != "tensorflow":
        message = f"that needs Keras's TensorFlow backend, and this is {keras.backend.backend()}"
        raise GradientsNotComparedError(message)
    (probe,) = probes(example_tensors(conversion), names=["normal"])
    cotangents = Cotangents()
    try:
        theirs = torch_gradients(conversion, probe.tensors, cotangents, training=training)
    except Exception as error:
        message = f"PyTorch itself gives none ({type(error).__name__}: {first_line(error)})"
        raise GradientsNotComparedError(message) from error
    try:
        ours = keras_gradients(conversion, probe.tensors, cotangents, training=training)
    except LookupError as error:  # an op of TensorFlow without a gradient
        message = f"TensorFlow gives none ({error})"
        raise GradientsNotComparedError(message) from error
    return judge(theirs, ours, f"gradients, {'train' if training else 'eval'} mode")


def judge(theirs: Gradients, ours: Gradients, what: str = "gradients") -> LearningCheck:
    """Compare by name, what is missing being zeros."""
    names = [*theirs, *(name for name in ours if name not in theirs)]
    sizes = {name: max(_size(theirs.get(name)), _size(ours.get(name))) for name in names}
    largest = max(sizes.values(), default=0.0)
    errors: dict[str, float] = {}
    verdicts: dict[str, Verdict] = {}
    for name in names:
        error = _size(np.subtract(theirs.get(name, 0.0), ours.get(name, 0.0)))
        errors[name] = error / sizes[name] if sizes[name] else 0.0
        verdicts[name] = Verdict.EQUAL
        if not error <= RELATIVE * sizes[name]:
            is_rounding = error <= RELATIVE * sizes[name] + FLOOR * largest
            verdicts[name] = Verdict.ROUNDING if is_rounding else Verdict.DIFFERS
    return LearningCheck(what, errors, verdicts)


def _size(gradient: Any) -> float:
    return 0.0 if gradient is None or not np.size(gradient) else float(np.abs(gradient).max())


class Cotangents:
    """Random cotangents, the same for both sides, by the number of the output."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.drawn: dict[int, np.ndarray] = {}

    def draw(self, number: int, shape: Sequence[int]) -> np.ndarray:
        """Return the cotangent of an output, drawn when it is first asked for."""
        if number not in self.drawn:
            generator = np.random.default_rng(self.seed + number)
            self.drawn[number] = generator.standard_normal(tuple(shape))
        return self.drawn[number]


@contextmanager
def prepare_backward(
    conversion: Conversion, *, training: bool, wide: bool = True
) -> Iterator[Callable[[torch.Tensor], torch.Tensor]]:
    """Let the module run forwards and backwards by Keras's rules, and leave it as it was.

    With `wide` it computes in float64, else as it is; what is yielded brings a tensor there.
    """
    module = conversion.module
    with ExitStack() as stack:
        stack.enter_context(isolate_module(module, seed=0, copy_state=True))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(silence_output())
        stack.enter_context(pad_packed_in_full(module))
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        widen: Callable[[torch.Tensor], torch.Tensor] = _keep_width
        if wide:
            nominal = nominal_dtype(module, conversion.args, conversion.kwargs)
            widen = stack.enter_context(float64_arithmetic(nominal))
        stack.enter_context(KerasTraining())
        if training:
            set_train_mode(conversion)
        yield widen


def _keep_width(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def torch_gradients(
    conversion: Conversion,
    tensors: Sequence[torch.Tensor],
    cotangents: Cotangents,
    *,
    training: bool = False,
) -> dict[str, np.ndarray]:
    """Return the module's own gradients in float64. Raises what the module raises."""
    module, ports = conversion.module, conversion.inputs
    with prepare_backward(conversion, training=training) as widen:
        state, leaves = {}, {}
        for name, parameter in module.named_parameters():
            state[f"module.{name}"] = wide = widen(parameter.detach()).clone()
            if parameter.requires_grad:
                leaves[name] = wide.requires_grad_()
        for name, buffer in module.named_buffers():
            state[f"module.{name}"] = widen(buffer).clone()
        inputs = []
        for port, tensor in zip(ports, tensors, strict=True):
            wide = widen(tensor.detach()).clone()
            if wide.is_floating_point() or wide.is_complex():
                leaves[port.name] = wide.requires_grad_()
            inputs.append(wide)
        args, kwargs = replace_tensors(conversion, inputs)

        def weigh(number: int, output: torch.Tensor) -> torch.Tensor:
            return (output * torch.from_numpy(cotangents.draw(number, output.shape))).sum()

        torch.func.functional_call(BackwardRun(conversion, weigh), state, args, kwargs)
    return {name: to_numpy(leaf.grad) for name, leaf in leaves.items() if leaf.grad is not None}


class BackwardRun(torch.nn.Module):
    """Runs a module forwards and backwards, since a checkpoint reads its parameters in both.

    What is differentiated is the sum of `measure(number, output)`, a tensor of one number, over
    the outputs that have a gradient; complex ones come as pairs of real numbers.
    """

    def __init__(
        self,
        conversion: Conversion,
        measure: Callable[[int, torch.Tensor], torch.Tensor],
    ) -> None:
        super().__init__()
        self.module = conversion.module
        self.measure = measure
        self.has_own_code = bool(conversion.captured.training.doubts)
        """Whether code of the module's may take part in going backwards."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        """Add the gradient of the sum to all leaves."""
        outputs = pytree.tree_leaves(self.module(*args, **kwargs))
        tensors = [leaf for leaf in outputs if isinstance(leaf, torch.Tensor)]
        terms = []
        for number, output in enumerate(tensors):
            if output.requires_grad:
                terms.append(self.measure(number, view_elements(output)))
        if terms:
            self._go_backwards(sum(terms[1:], terms[0]))

    def _go_backwards(self, total: torch.Tensor) -> None:
        """Add the gradient to all leaves, which have none.

        What is in float64 stays so without any help: looking at each kernel, of which an LSTM has
        dozens a step, takes twenty times as long as to run it.
        """
        if self.has_own_code or not _go_plainly(total):
            total.backward()  # type: ignore[no-untyped-call]


def _go_plainly(total: torch.Tensor) -> bool:
    """Add the gradient to all leaves without looking at any kernel, and return whether it went."""
    try:
        with run_plainly():
            total.backward(retain_graph=True)  # type: ignore[no-untyped-call]
    except RuntimeError:  # something narrow was kept for this, or is run once more
        for leaf in _find_leaves(total):
            leaf.grad = None
        return False
    return True


@contextmanager
def run_plainly() -> Iterator[None]:
    """Let kernels run as they are; what is made without a type is in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with DisableTorchFunction(), _disable_current_modes():
            yield
    finally:
        torch.set_default_dtype(before)


def _find_leaves(tensor: torch.Tensor) -> Iterator[torch.Tensor]:
    """Yield the tensors that the gradient of one is added to."""
    seen = set()
    pending = [tensor.grad_fn]
    while pending:
        node = pending.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            yield node.variable
        pending += [following for following, _ in node.next_functions]


def keras_gradients(
    conversion: Conversion,
    tensors: Sequence[torch.Tensor],
    cotangents: Cotangents,
    *,
    training: bool = False,
) -> dict[str, np.ndarray]:
    """Return the Keras graph's gradients in float64, by the names of PyTorch's parameters."""
    import tensorflow as tf

    graph = conversion.lowered.graph
    layers = Layers(graph, "float64")
    with double_precision():
        inputs = widen_inputs(conversion, tensors)

        def run() -> Mapping[int, Any]:
            return run_graph(graph, inputs, layers.layer_with_weights, "float64", keep=False)

        run()  # makes the layers
        layers.training = training
        held = []
        for call, attribute, weight in graph.weights():
            if call.trainable and weight.trainable:
                held.append((find_variable(layers.made[call.name], attribute).value, weight))
        ports = [pair for pair in zip(conversion.inputs, inputs, strict=True) if _is_float(pair[1])]
        sources = [*(variable for variable, _ in held), *(x for _, x in ports)]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            for source in sources:
                tape.watch(source)
            values = run()
            total = tf.zeros((), "float64")
            for number, port in enumerate(conversion.outputs):
                output = values[graph.outputs[number]]
                if _is_float(output):
                    cotangent = store_cotangent(port, output.shape, number, cotangents)
                    total += tf.reduce_sum(output * cotangent)
        gradients = iter([_as_array(gradient) for gradient in tape.gradient(total, sources)])
    found: dict[str, np.ndarray] = {}
    for _, weight in held:
        for name, part in pull_back(conversion, weight, next(gradients)):
            found[name] = found.get(name, 0.0) + part
    for port, _ in ports:
        gradient = next(gradients)
        if gradient is not None:
            found[port.name] = port.to_torch(gradient)
    return found


def _is_float(tensor: Any) -> bool:
    return bool(tensor.dtype.is_floating)


def _as_array(gradient: Any) -> np.ndarray | None:
    """Return a gradient of TensorFlow's, of an Embedding's rows too, as an array of its own."""
    import tensorflow as tf

    return None if gradient is None else np.array(tf.convert_to_tensor(gradient))


def store_cotangent(
    port: Port, stored: Sequence[int], number: int, cotangents: Cotangents
) -> np.ndarray:
    """Return the cotangent of an output in Keras's order; `stored` is its shape there."""
    shape = [stored[port.permutation.index(dim)] for dim in range(len(stored))]
    return cotangents.draw(number, shape).transpose(port.permutation)
