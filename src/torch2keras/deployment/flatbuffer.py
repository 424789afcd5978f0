"""A `.tflite` file as data: its operators, the order and names of its tensors, its metadata.

TensorFlow's converter lists the inputs and outputs of a file in an order of its own, and calls them
`serve_x:0`: who feeds by index gives `h` for `c` without a word. The schema's classes, which
ai-edge-litert ships, read and write the file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from torch2keras.deployment.packages import require_package

METADATA = "torch2keras"
"""The name of the buffer with what a file says of itself, as JSON."""

IDENTIFIER = b"TFL3"
"""The file identifier of schema.fbs."""

CUSTOM_PREFIX = "CUSTOM:"

ADDED = 2**16
"""How many bytes a file may grow by what is added to it."""

PortScales = Mapping[tuple[str, str], tuple[float, int]]
"""Scale and zero point of the int8 ports, by ("inputs" or "outputs", name)."""


class LiteRTFile:
    """The parsed content of a `.tflite` file with one signature."""

    def __init__(self, content: bytes) -> None:
        self.schema = require_package("ai_edge_litert.schema_py_generated", "a .tflite file")
        self.model = self.schema.ModelT.InitFromObj(self.schema.Model.GetRootAs(content, 0))
        self._size = len(content)

    @property
    def signature(self) -> Any:
        """The one signature of the file."""
        return self.model.signatureDefs[0]

    @property
    def main(self) -> Any:
        """The subgraph of the signature."""
        return self.model.subgraphs[self.signature.subgraphIndex]

    def operators(self) -> dict[str, int]:
        """Return how often each operator is in the file, its loops and branches included."""
        counted = Counter(name for name, _ in self._list_operators())
        return dict(sorted(counted.items()))

    def _list_operators(self) -> Iterator[tuple[str, str]]:
        """Yield the name of each operator, and of the first tensor that it gives."""
        names = self._operator_names()
        for subgraph in self.model.subgraphs:
            for op in subgraph.operators or ():
                result = subgraph.tensors[op.outputs[0]].name.decode() if len(op.outputs) else ""
                yield names[op.opcodeIndex], result

    def _operator_names(self) -> list[str]:
        builtins = vars(self.schema.BuiltinOperator)
        by_number = {number: name for name, number in builtins.items() if isinstance(number, int)}
        names = []
        for code in self.model.operatorCodes:
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            name = by_number.get(number, str(number))
            if name == "CUSTOM":
                name = CUSTOM_PREFIX + code.customCode.decode()
            names.append(name)
        return names

    def name_results(self, operator: str) -> list[str]:
        """Return the names of what each operator of this kind gives, in the file's order."""
        return [result for name, result in self._list_operators() if name == operator]

    def order_ports(self, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        """Put inputs and outputs into this order, by index and by signature, under these names."""
        main, signature = self.main, self.signature
        for attribute, names in (("outputs", outputs), ("inputs", inputs)):
            maps = {entry.name.decode(): entry for entry in getattr(signature, attribute)}
            ordered = [maps[name] for name in names]
            setattr(signature, attribute, ordered)
            indices = [entry.tensorIndex for entry in ordered]
            setattr(main, attribute, np.array(indices, np.int32))
            for name, index in zip(names, indices, strict=True):
                main.tensors[index].name = name.encode()

    def name_outputs(self, names: Mapping[str, str]) -> LiteRTFile:
        """Rename the tensors of outputs, by their names in the signature, and return the file.

        Their names in the signature stay. No two tensors get one name.
        """
        for entry in self.signature.outputs:
            own = entry.name.decode()
            if own in names and entry.tensorIndex not in self.main.inputs:
                name = f"{names[own]}{own}"
                self.main.tensors[entry.tensorIndex].name = name.encode()
        return self

    def read_port_scales(self) -> PortScales:
        """Return the scales of the inputs and outputs that are stored as int8."""
        found = {}
        for side in ("inputs", "outputs"):
            for entry in getattr(self.signature, side):
                tensor = self.main.tensors[entry.tensorIndex]
                if tensor.type == self.schema.TensorType.INT8:
                    parameters = tensor.quantization
                    pair = float(parameters.scale[0]), int(parameters.zeroPoint[0])
                    found[side, entry.name.decode()] = pair
        return found

    def count_float_operators(self) -> dict[str, int]:
        """Return how often each operator gives floats, but for what makes floats of integers."""
        names = self._operator_names()
        counted = Counter[str]()
        for subgraph in self.model.subgraphs:
            for op in subgraph.operators or ():
                types = [subgraph.tensors[index].type for index in op.outputs]
                if self.schema.TensorType.FLOAT32 in types:
                    counted[names[op.opcodeIndex]] += 1
        del counted["DEQUANTIZE"]
        return dict(sorted(counted.items()))

    def add_facts(self, facts: Mapping[str, Any]) -> None:
        """Add what a file says of itself, in place of what it said before."""
        named = METADATA.encode()
        others = [entry for entry in self.model.metadata or () if entry.name != named]
        buffer = self.schema.BufferT()
        buffer.data = np.frombuffer(json.dumps(facts).encode(), np.uint8)
        self.model.buffers.append(buffer)
        entry = self.schema.MetadataT()
        entry.name = named
        entry.buffer = len(self.model.buffers) - 1
        self.model.metadata = [*others, entry]

    def read_file_facts(self) -> dict[str, Any]:
        """Return what `add_facts` has added; {} where nothing was."""
        for entry in self.model.metadata or ():
            if entry.name == METADATA.encode():
                content = bytes(self.model.buffers[entry.buffer].data)
                facts: dict[str, Any] = json.loads(content)
                return facts
        return {}

    def pack(self) -> bytes:
        """Return the file's content."""
        flatbuffers = require_package("flatbuffers", "a .tflite file")
        builder = flatbuffers.Builder(self._size + ADDED)  # one that is too small is copied
        builder.Finish(self.model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())


def is_custom(operator: str) -> bool:
    """Whether an operator is none of LiteRT's own."""
    return operator.startswith(CUSTOM_PREFIX)


def read_litert_file(path: Path) -> LiteRTFile:
    """Return the content of a file."""
    return LiteRTFile(path.read_bytes())
