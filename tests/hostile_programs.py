"""Exported programs that run something when PyTorch loads them, and what the marker is for.

Each is a clean file of `torch.export.save` with one thing changed.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim

Records = dict[str, bytes]

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


class Net(nn.Module):
    """One convolution, and a batch and a length that are dynamic."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(3, 7, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.conv(x).relu(), x[:, :, 4:]], 1).reshape(x.shape[0], -1)


def export_clean() -> torch.export.ExportedProgram:
    """Return a program without anything hostile."""
    shapes = ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC},)
    return torch.export.export(Net().eval(), (torch.randn(2, 3, 23),), dynamic_shapes=shapes)


def read_records(program: torch.export.ExportedProgram) -> Records:
    """Return what `torch.export.save` writes for a program, by name."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write_records(path: Path, records: Mapping[str, bytes], packing: int = 0) -> None:
    """Write records as the archive that PyTorch reads."""
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, data in records.items():
            archive.writestr(f"archive/{name}", data)


class Bait:
    """Makes a folder when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


Change = Callable[[Records, Path], None]


def change_json(record: str, change: Callable[[Any, str], None]) -> Change:
    """Return a change of a JSON record; it is given Python code that leaves the marker."""

    def change_records(records: Records, marker: Path) -> None:
        data = json.loads(records[record])
        change(data, f"__import__('os').mkdir({str(marker)!r})")
        records[record] = json.dumps(data).encode()

    return change_records


def _graph(data: Any) -> Any:
    return data["graph_module"]["graph"]


def _add_record(name: str) -> Change:
    def change(records: Records, marker: Path) -> None:
        records[name] = pickle.dumps(Bait(marker))

    return change


def _unpickle_weight(records: Records, marker: Path) -> None:
    config = json.loads(records[WEIGHTS])
    entry = config["config"]["conv.weight"]
    entry["use_pickle"] = True
    buffer = io.BytesIO()
    torch.save(Bait(marker), buffer)
    records[f"data/weights/{entry['path_name']}"] = buffer.getvalue()
    records[WEIGHTS] = json.dumps(config).encode()


def _unpickle_object(prefix: str) -> Change:
    def change(records: Records, marker: Path) -> None:
        entry = {"path_name": f"{prefix}0", "is_param": False, "use_pickle": True}
        config = {"config": {"thing": {**entry, "tensor_meta": None}}}
        records[CONSTANTS] = json.dumps(config).encode()
        records[f"data/constants/{prefix}0"] = pickle.dumps(Bait(marker))

    return change


def _unpickle_inputs(records: Records, marker: Path) -> None:
    buffer = io.BytesIO()
    torch.save(((Bait(marker),), {}), buffer)
    records["data/sample_inputs/model.pt"] = buffer.getvalue()


def _first_expression(data: Any, code: str) -> None:
    for meta in _graph(data)["tensor_values"].values():
        for size in meta["sizes"]:
            if "as_expr" in size:
                size["as_expr"]["expr_str"] = code


def _tower(data: Any, _: str) -> None:
    _first_expression(data, "9**9**9**9")


def _guard(data: Any, code: str) -> None:
    data["guards_code"] = [f"L['x'].size()[0] == {code}"]


def _rename_node(data: Any, code: str) -> None:
    text = json.dumps(_graph(data)).replace('"relu"', json.dumps(f"a = {code}; relu"))
    data["graph_module"]["graph"] = json.loads(text)


def _call(target: str) -> Callable[[Any, str], None]:
    def change(data: Any, code: str) -> None:
        _graph(data)["nodes"][0]["target"] = target

    return change


def _name_argument(data: Any, code: str) -> None:
    argument = _graph(data)["nodes"][0]["inputs"][-1]
    argument.update(name=f"bias=({code}), x", kind=2)


def _name_parameter(data: Any, code: str) -> None:
    data["graph_module"]["signature"]["input_specs"][0]["parameter"]["parameter_name"] = code


def _name_forward(data: Any, code: str) -> None:
    signature = data["graph_module"]["module_call_graph"][0]["signature"]
    signature["forward_arg_names"] = [f"x={code}"]


def _context(data: Any, context: Any) -> None:
    signature = data["graph_module"]["module_call_graph"][0]["signature"]
    protocol, tree = json.loads(signature["in_spec"])
    tree["context"] = json.dumps(context)
    signature["in_spec"] = json.dumps([protocol, tree])


def _import_enum(data: Any, _: str) -> None:
    _context(data, {"__enum__": True, "fqn": "this:s", "name": "x"})


def _other_container(data: Any, _: str) -> None:
    signature = data["graph_module"]["module_call_graph"][0]["signature"]
    text = signature["in_spec"].replace("builtins.tuple", "collections.defaultdict", 1)
    signature["in_spec"] = text


def _name_range(data: Any, code: str) -> None:
    data["range_constraints"] = {code: {"min_val": 2, "max_val": None}}


def _unknown_field(data: Any, code: str) -> None:
    data["graph_module"]["hook"] = code


def _wrong_type(data: Any, code: str) -> None:
    data["graph_module"]["module_call_graph"] = {"fqn": code}


def _enlarge(data: Any, _: str) -> None:
    meta = data["config"]["conv.weight"]["tensor_meta"]
    meta["sizes"][0] = {"as_int": 2**40}


def _empty_weight(records: Records, _: Path) -> None:
    config = json.loads(records[WEIGHTS])
    entry = config["config"]["conv.weight"]
    entry["tensor_meta"]["sizes"][0] = {"as_int": 2**40}
    records[f"data/weights/{entry['path_name']}"] = b""
    records[WEIGHTS] = json.dumps(config).encode()


def _leave(folder: str) -> Callable[[Any, str], None]:
    def change(data: Any, _: str) -> None:
        data["config"]["conv.weight"]["path_name"] = f"{folder}weight_0"

    return change


HOSTILE: Mapping[str, Change] = {
    "a pickled weight": _unpickle_weight,
    "pickled weights of old": _add_record("data/weights/model.pt"),
    "pickled constants of old": _add_record("data/constants/model.pt"),
    "an object of a class": _unpickle_object("custom_obj_"),
    "an opaque object": _unpickle_object("opaque_obj_"),
    "pickled example inputs": _unpickle_inputs,
    "a compiled library": _add_record("data/aotinductor/model/net.so"),
    "a size that is code": change_json(MODEL, _first_expression),
    "a tower of powers": change_json(MODEL, _tower),
    "a guard that is code": change_json(MODEL, _guard),
    "a node named by code": change_json(MODEL, _rename_node),
    "torch.hub": change_json(MODEL, _call("torch.hub.load")),
    "torch.load": change_json(MODEL, _call("torch.load")),
    "an attribute of operator": change_json(MODEL, _call("_operator.methodcaller")),
    "an op that opens files": change_json(MODEL, _call("torch.ops.aten.from_file.default")),
    "an op that trusts its caller": change_json(MODEL, _call("torch.ops.aten._cslt_compress")),
    "an argument named by code": change_json(MODEL, _name_argument),
    "a parameter named by code": change_json(MODEL, _name_parameter),
    "an input named by code": change_json(MODEL, _name_forward),
    "a container that imports": change_json(MODEL, _import_enum),
    "a container of another class": change_json(MODEL, _other_container),
    "a range named by code": change_json(MODEL, _name_range),
    "a field unknown": change_json(MODEL, _unknown_field),
    "a list that is none": change_json(MODEL, _wrong_type),
    "a weight larger than its record": change_json(WEIGHTS, _enlarge),
    "a weight without a record": _empty_weight,
    "a weight from elsewhere": change_json(WEIGHTS, _leave("../")),
}
"""What a file holds -> how it is made of a clean one."""


RUNS = (
    "a pickled weight",
    "an opaque object",
    "pickled example inputs",
    "a size that is code",
)
"""Those whose marker PyTorch leaves as it loads the file; the others wait for a call, or crash."""
