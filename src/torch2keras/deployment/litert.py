"""A Keras graph as a `.tflite` file of builtin operators alone."""

from __future__ import annotations

import re
from pathlib import Path

from torch2keras.deployment.flatbuffer import CUSTOM_PREFIX, LiteRTFile, is_custom
from torch2keras.deployment.fused_lstm import reset_lstm_states
from torch2keras.deployment.refusals import (
    FAILED_NODE,
    find_calls,
    find_refused_ops,
    refuse_ops,
)
from torch2keras.deployment.saved_model import SERVE
from torch2keras.deployment.sizes import FileSizes
from torch2keras.deployment.tracing import TracedModel
from torch2keras.errors import DeploymentError
from torch2keras.runtime.typed_errors import describe_exception
from torch2keras.workarounds.converter_objects import build_no_objects
from torch2keras.workarounds.tensorflow_messages import drop_converter_lines

FIXED_STEP = "compute this part outside of the model, or export a SavedModel or ONNX"
DYNAMIC_STEP = "fix all sizes: batch=1, and convert without dynamic_shapes; " + FIXED_STEP


def convert_saved_model(folder: Path, traced: TracedModel, sizes: FileSizes) -> LiteRTFile:
    """Return a `.tflite` file of a SavedModel's signature, its ports in forward's order.

    Raises DeploymentError, which names the op and the module's line, where builtins do not do.
    """
    import tensorflow as tf

    try:
        with drop_converter_lines(), build_no_objects(SERVE):
            read = tf.lite.TFLiteConverter.from_saved_model
            content = reset_lstm_states(read(str(folder), signature_keys=[SERVE]).convert())
    except Exception as error:
        raise _refuse(error, traced, sizes) from error
    return order_file(content, traced)


def order_file(content: bytes, traced: TracedModel) -> LiteRTFile:
    """Return a converter's file with its ports in forward's order, under their names.

    Raises DeploymentError where an operator is no builtin.
    """
    file = LiteRTFile(content)
    custom = list(filter(is_custom, file.operators()))
    if custom:
        texts = file.name_results(custom[0])
        names = [name.removeprefix(CUSTOM_PREFIX) for name in custom]
        why = "it would need the Flex delegate, or an operator of your own"
        raise refuse_ops(traced, names, texts, why, FIXED_STEP)
    file.order_ports(traced.input_names, traced.output_names)
    return file


def _refuse(error: Exception, traced: TracedModel, sizes: FileSizes) -> DeploymentError:
    """Return the error for what the converter says."""
    message = str(error)
    ops = find_refused_ops(message)
    step = DYNAMIC_STEP if sizes.is_dynamic else FIXED_STEP
    if not ops:
        rows = [("error", describe_exception(error)), ("next", step)]
        return DeploymentError("TensorFlow's converter makes no LiteRT file of this model", rows)
    named = re.compile("|".join(f"tf\\.{op}'" for op in ops))
    places = filter(named.search, message.splitlines())
    why = "its builtins do not hold it; Flex and custom operators are never written"
    return refuse_ops(traced, ops, places, why, step)


def explain_failure(
    error: DeploymentError, file: LiteRTFile, traced: TracedModel
) -> DeploymentError:
    """Return the error for a file that LiteRT refuses or dies of."""
    rows = [("runtime", error.headline), *error.rows]
    failed = FAILED_NODE.findall(error.headline)
    for operator in failed[:1]:
        rows.append(("operator", operator))
        for call in find_calls(traced, file.name_results(operator))[:1]:
            rows += [("keras", call.target), *call.origin.rows()]
    rows.append(("next", FIXED_STEP))
    return DeploymentError("LiteRT does not run the file that was made of this model", rows)
