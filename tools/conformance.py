"""Convert PyTorch's own samples of its operators and modules, and write down what became of each.

    python tools/conformance.py run --shard 1/2       # hours; goes on where the results end
    python tools/conformance.py run --only softmax --samples 3
    python tools/conformance.py table                 # docs/conformance.md

The samples are those that PyTorch tests itself with, OpInfo and module_db of
torch.testing._internal, in float32. Each is converted with verification: in float64, and as it
would be saved.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import torch
from torch import nn
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.utils import _pytree as pytree

import torch2keras as t2k

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "build" / "conformance"
TABLE = ROOT / "docs" / "conformance.md"
SECONDS = 120
"""A sample that takes longer is given up."""
REFUSALS = (t2k.CaptureError, t2k.UnsupportedOpError, t2k.LoweringError, t2k.InputError)
STATUSES = ("passed", "refused", "wrong", "crashed", "not compared")


@dataclass(frozen=True)
class Sample:
    """A module, its call, and where it comes from."""

    kind: str
    name: str
    number: int
    module: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.kind, self.name, self.number


@dataclass(frozen=True)
class Outcome:
    """What became of a sample, and the headline of the error where there was one."""

    kind: str
    name: str
    number: int
    status: str
    reason: str = ""


class Operator(nn.Module):
    """An operator on the tensors of one sample; everything else of the call is bound."""

    def __init__(self, op: Callable[..., Any], call: Any) -> None:
        super().__init__()
        self.op = op
        self.leaves, self.spec = pytree.tree_flatten(call)

    def forward(self, *tensors: torch.Tensor) -> Any:
        given = iter(tensors)
        leaves = [next(given) if isinstance(leaf, torch.Tensor) else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self.spec)
        return self.op(*args, **kwargs)


def operator_samples(most: int) -> Iterator[Sample]:
    """The samples of OpInfo in float32."""
    operators: Sequence[Any] = op_db
    for info in operators:
        if torch.float32 not in info.supported_dtypes("cpu"):
            continue
        name = info.name + (f".{info.variant_test_name}" if info.variant_test_name else "")
        for number, sample in enumerate(
            itertools.islice(info.sample_inputs("cpu", torch.float32), most)
        ):
            call = ((sample.input, *sample.args), sample.kwargs)
            module = Operator(info.op, call)
            tensors = tuple(
                leaf.detach() for leaf in module.leaves if isinstance(leaf, torch.Tensor)
            )
            yield Sample("op", name, number, module.eval(), tensors, {})


def module_samples(most: int) -> Iterator[Sample]:
    """The samples of module_db in float32, in eval mode."""
    for info in module_db:
        if torch.float32 not in info.dtypes:
            continue
        inputs = info.module_inputs_func(
            info, device="cpu", dtype=torch.float32, requires_grad=False, training=False
        )
        for number, sample in enumerate(itertools.islice(inputs, most)):
            if sample.forward_input is None:
                continue
            made = info.module_cls(
                *sample.constructor_input.args, **sample.constructor_input.kwargs
            ).eval()
            yield Sample(
                "module",
                info.name,
                number,
                made,
                sample.forward_input.args,
                dict(sample.forward_input.kwargs),
            )


def outcome(sample: Sample) -> Outcome:
    """Convert and verify one sample."""
    if not any(
        isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves((sample.args, sample.kwargs))
    ):
        return Outcome(*sample.key, "not compared", "it has no tensor to be an input")
    try:
        if not _repeats(sample):
            return Outcome(*sample.key, "not compared", "it is random")
    except Exception as error:  # noqa: BLE001 - a sample that PyTorch itself refuses
        return Outcome(
            *sample.key, "not compared", f"in PyTorch {type(error).__name__}: {_headline(error)}"
        )
    signal.alarm(SECONDS)
    try:
        t2k.convert(sample.module, sample.args, sample.kwargs)
    except REFUSALS as error:
        return Outcome(*sample.key, "refused", f"{type(error).__name__}: {error.headline}")
    except t2k.VerificationError as error:
        return Outcome(*sample.key, "wrong", error.message)
    except TimeoutError:
        return Outcome(*sample.key, "crashed", f"longer than {SECONDS} s")
    except Exception as error:  # noqa: BLE001 - what is beside the error tree is looked for
        return Outcome(*sample.key, "crashed", f"{type(error).__name__}: {_headline(error)}")
    finally:
        signal.alarm(0)
    return Outcome(*sample.key, "passed")


def _headline(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _repeats(sample: Sample) -> bool:
    """Whether PyTorch gives the same again with other random numbers."""
    runs = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        args, kwargs = pytree.tree_map_only(torch.Tensor, torch.clone, (sample.args, sample.kwargs))
        with torch.no_grad():
            runs.append(
                [
                    leaf
                    for leaf in pytree.tree_leaves(sample.module(*args, **kwargs))
                    if _is_tensor(leaf)
                ]
            )
    return all(torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*runs, strict=True))


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.layout is torch.strided


def run(only: str, most: int, every: int, shard: tuple[int, int]) -> int:
    """Take the samples that have no result yet; returns how many are wrong or crashed."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"shard{shard[0]}of{shard[1]}.jsonl"
    known = {(o.kind, o.name, o.number) for o in outcomes()}
    bad = 0
    signal.signal(signal.SIGALRM, _give_up)
    samples = itertools.chain(module_samples(most), operator_samples(most))
    with path.open("a") as file:
        for at, sample in enumerate(samples):
            mine = at % every == 0 and (at // every) % shard[1] == shard[0] - 1
            if not mine or only not in sample.name or sample.key in known:
                continue
            result = outcome(sample)
            file.write(json.dumps(asdict(result)) + "\n")
            file.flush()
            if result.status in ("wrong", "crashed"):
                bad += 1
                sys.stdout.write(
                    f"{result.status} {result.kind} {result.name} {result.number}: "
                    f"{result.reason}\n"
                )
                sys.stdout.flush()
    return bad


def _give_up(*_: Any) -> None:
    raise TimeoutError


def outcomes() -> list[Outcome]:
    """All results so far, the last one of each sample."""
    last: dict[tuple[str, str, int], Outcome] = {}
    for path in sorted(RESULTS.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            result = Outcome(**json.loads(line))
            last[result.kind, result.name, result.number] = result
    return list(last.values())


def table(results: Sequence[Outcome]) -> str:
    """The page of all results: a line for each of which not every sample passed."""
    by_name: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for result in results:
        by_name[result.kind, result.name].append(result)
    others = {(o.kind, o.name) for o in results if o.status != "passed"}
    whole = len(by_name) - len(others)
    counts, version = Counter(o.status for o in results), torch.__version__.partition("+")[0]
    lines = [
        "# Conformance",
        "",
        (
            f"The samples that PyTorch {version} tests its operators and modules with, "
            "each converted and verified."
        ),
        (
            "Generated by tools/conformance.py: `make conformance`. "
            "What is wrong was found by verification, so refused."
        ),
        "",
        f"{len(results):,} samples of {len(by_name)} operators and modules: "
        + ", ".join(f"{counts[s]:,} {s}" for s in STATUSES)
        + f". Of {whole} operators and modules every sample passed; the others:",
        "",
        "| | samples | passed | refused | wrong | crashed | not compared | why |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (kind, name), group in sorted(by_name.items()):
        found = Counter(o.status for o in group)
        if found["passed"] == len(group):
            continue
        why = Counter(
            o.reason.replace("|", "\\|").partition("\n")[0] for o in group if o.reason
        ).most_common(1)
        cells = [
            f"`{name}`" if kind == "op" else f"nn `{name.removeprefix('nn.')}`",
            str(len(group)),
        ]
        cells += [str(found[s] or "") for s in STATUSES]
        lines.append(f"| {' | '.join(cells)} | {why[0][0] if why else ''} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    runs = commands.add_parser("run", help="convert the samples that have no result yet")
    runs.add_argument("--only", default="", help="part of the name of an operator or module")
    runs.add_argument("--samples", type=int, default=10_000, help="at most so many of each")
    runs.add_argument("--every", type=int, default=1, help="of all samples only each so manyth")
    runs.add_argument("--shard", default="1/1", help="which part, as 1/2 and 2/2 in two processes")
    commands.add_parser("table", help="write docs/conformance.md")
    given = parser.parse_args()
    if given.command == "table":
        TABLE.write_text(table(outcomes()))
        return 0
    number, count = map(int, given.shard.split("/"))
    warnings.filterwarnings("ignore")
    return 1 if run(given.only, given.samples, given.every, (number, count)) else 0


if __name__ == "__main__":
    sys.exit(main())
