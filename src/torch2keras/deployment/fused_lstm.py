"""A file's fused LSTM operators begin at zero in each call, and clip nothing.

TensorFlow's converter gives UNIDIRECTIONAL_SEQUENCE_LSTM states that the interpreter keeps from
call to call, and lets it clip cells at 10. Here both states are made zero in front of the operator,
each by ZEROS_LIKE of the other one: what hangs on constants alone LiteRT computes once and for all.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"

STATE_INPUTS = (18, 19)
"""The places of h and c among its inputs (tensorflow/lite/kernels/lstm_shared.h)."""

IDENTIFIER = b"TFL3"
"""The file identifier of schema.fbs."""


def reset_lstm_states(content: bytes) -> bytes:
    """Return a `.tflite` file whose LSTM operators keep no state; one without any as it is.

    Raises ImportError where ai-edge-litert is not installed.
    """
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    editor = Editor(schema, model)
    if not sum(map(editor.mend_subgraph, model.subgraphs)):
        return content
    flatbuffers = importlib.import_module("flatbuffers")
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


class Editor:
    """Adds tensors and operators to a parsed file, by the schema's classes."""

    def __init__(self, schema: Any, model: Any) -> None:
        self.schema, self.model = schema, model
        self.lstm = self._find_code(schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM)

    def _find_code(self, builtin: int) -> int | None:
        """Return the number that a file has for a builtin operator; None where it has none."""
        for number, code in enumerate(self.model.operatorCodes):
            if max(code.builtinCode, code.deprecatedBuiltinCode) == builtin:
                return number
        return None

    def _zeros_code(self) -> int:
        """Return the number of ZEROS_LIKE, which is added where the file has none."""
        builtin = self.schema.BuiltinOperator.ZEROS_LIKE
        found = self._find_code(builtin)
        if found is not None:
            return found
        code = self.schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = builtin
        code.version = 1
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def mend_subgraph(self, subgraph: Any) -> int:
        """Mend the LSTM operators of a subgraph, and return how many there are."""
        operators = []
        count = 0
        for operator in subgraph.operators or []:
            if self.lstm is not None and operator.opcodeIndex == self.lstm:
                operator.builtinOptions.cellClip = 0.0
                h, c = [int(operator.inputs[place]) for place in STATE_INPUTS]
                operators += [self._make_zero(h, c), self._make_zero(c, h)]
                count += 1
            operators.append(operator)
        subgraph.operators = operators
        return count

    def _make_zero(self, state: int, other: int) -> Any:
        """Return the operator that makes a state zeros in the shape of another one."""
        schema = self.schema
        zero = schema.OperatorT()
        zero.opcodeIndex = self._zeros_code()
        zero.inputs = np.array([other], np.int32)
        zero.outputs = np.array([state], np.int32)
        zero.builtinOptionsType = schema.BuiltinOptions.ZerosLikeOptions
        zero.builtinOptions = schema.ZerosLikeOptionsT()
        return zero
