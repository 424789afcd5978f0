"""What the PyTorch module itself says: in its own type, and in float64.

Both runs leave everything as it was: training flags, attributes, parameters, buffers, random state, grad mode.
"""

from __future__ import annotations

import random
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import nn
from torch._C import DisableTorchFunction
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._pytree import tree_leaves, tree_map

from torch2keras.errors import InputError
from torch2keras.float64 import Journal, Shadowing, float64_arithmetic
from torch2keras.loading import load_exporter

_RESTORED = (dict, OrderedDict, defaultdict, list, set, deque)


def run(
    module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None, *, seed: int = 0
) -> list[np.ndarray]:
    """The tensors that `module(*args, **kwargs)` gives in eval mode without gradients, flat, as arrays.

    They come in the order of `torch.utils._pytree.tree_flatten`; leaves that are no tensors are left out. bfloat16
    comes as float32, which holds it exactly. Random numbers start from `seed`. Raises what the module raises, and
    `InputError` when a parameter has no value yet (a lazy module).
    """
    journal = Journal()
    with _undisturbed(module, seed):
        try:
            with journal:
                outputs = module(*_cloned(tuple(args)), **_cloned(dict(kwargs or {})))
            return _arrays(outputs)
        finally:
            journal.undo()


def run64(
    module: nn.Module,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    shadowing: Shadowing | None = None,
) -> list[np.ndarray]:
    """As `run`, computed in float64: weights and inputs are cast up exactly, and nothing in between is rounded.

    But as `shadowing` has it, where that is given.

    A type that the module asks for (`x.float()`, `softmax(..., dtype=torch.float32)`, autocast) is widened as well.
    Floating outputs are float64 arrays.
    """
    nominal = nominal_dtype(module, args, kwargs)
    # The fused CPU kernel for attention has approximations of its own; the plain formula has none.
    with _undisturbed(module, seed), sdpa_kernel(SDPBackend.MATH), float64_arithmetic(nominal, shadowing) as widen:
        # Real float64 inputs, not shadows: they may be asked for gradients or be written to.
        inputs, named = _cloned(tree_map(widen, (tuple(args), dict(kwargs or {}))))
        outputs = module(*inputs, **named)
        with DisableTorchFunction():
            return _arrays(tree_map(widen, outputs))


def nominal_dtype(module: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> torch.dtype:
    """The floating type that `module` is written for: float32 if any of it or its inputs is, else the one it has.

    float32 too when nothing is floating; of several types below float32, the wider range (bfloat16).
    """
    tensors = chain(module.parameters(), module.buffers(), tree_leaves((tuple(args), dict(kwargs or {}))))
    kinds = (t.dtype for t in tensors if isinstance(t, torch.Tensor))
    present = {kind.to_real() if kind.is_complex else kind for kind in kinds}
    order = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
    return next((dtype for dtype in order if dtype in present), torch.float32)


@contextmanager
def _undisturbed(module: nn.Module, seed: int) -> Iterator[None]:
    """Eval mode, no gradients, the random generators at `seed`; afterwards all of it is as it was."""
    for name, parameter in chain(module.named_parameters(), module.named_buffers()):
        if nn.parameter.is_lazy(parameter):
            rows = [("module", name), ("next", "run the module once on an example, so that it takes its shapes")]
            raise InputError(f"{name} has no value yet: {type(module).__name__} is a lazy module", rows)
    load_exporter()  # the first tree of tensors that is walked loads it in any case
    with ExitStack() as stack:
        stack.callback(_restorer(module))
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 - the module may use the global one
        # The fused encoder zeroes padded positions, which neither the module in training nor its export does.
        stack.callback(torch.backends.mha.set_fastpath_enabled, torch.backends.mha.get_fastpath_enabled())
        torch.backends.mha.set_fastpath_enabled(False)
        stack.enter_context(torch.random.fork_rng(devices=[]))
        stack.enter_context(torch.no_grad())
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        torch.manual_seed(seed)
        # Not `module.eval()`: an overridden `train` may change weights (merging adapters, fusing branches).
        for part in module.modules():
            part.training = False
        yield


def _restorer(module: nn.Module) -> Callable[[], None]:
    """Note the attributes of all modules below `module`, and the containers among them; returns what puts them back."""
    flags = [(part, part.training) for part in module.modules()]
    noted = [(container, _content(container)) for container in _containers(module)]

    def restore() -> None:
        for container, content in noted:
            now = _content(container)
            if len(now) != len(content) or any(a is not b for a, b in zip(now, content, strict=True)):
                _refill(container, content)
        for part, training in flags:
            if part.training != training:
                part.training = training

    return restore


def _containers(module: nn.Module) -> Iterator[Any]:
    """The attribute dicts of all modules reached from `module`, and the dicts, lists, sets and deques in them.

    Goes through modules, these containers and tuples; not into other objects, which may lead to anything.
    """
    seen: set[int] = set()
    stack: list[Any] = [module]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, nn.Module):
            stack.append(vars(item))
        elif type(item) in _RESTORED:
            yield item
            stack.extend(item.values() if isinstance(item, dict) else item)
        elif isinstance(item, tuple):
            stack.extend(item)


def _content(container: Any) -> list[Any]:
    """Keys and values in turn, or the members."""
    return list(chain.from_iterable(container.items())) if isinstance(container, dict) else list(container)


def _refill(container: Any, content: list[Any]) -> None:
    container.clear()
    if isinstance(container, dict):
        container.update(zip(content[::2], content[1::2], strict=True))
    elif isinstance(container, set):
        container.update(content)
    else:
        container.extend(content)


def _cloned(tree: Any) -> Any:
    return tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, tree)


def _arrays(outputs: Any) -> list[np.ndarray]:
    return [_array(leaf) for leaf in tree_leaves(outputs) if isinstance(leaf, torch.Tensor)]


def _array(tensor: torch.Tensor) -> np.ndarray:
    """A copy of `tensor` as an array, of the same values."""
    tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
    return np.array((tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy())
