"""TensorFlow prints what nobody asked for: start-up lines, warnings about Keras's own functions.

Its C++ reports at import that there is no GPU and which instructions it uses, before any of its
settings for that is read (TensorFlow 2.21). Keras makes a new `tf.function` at each call of a
convolution with groups or dilation, of which TensorFlow warns as of the caller's fault (3.15.1).
The converter to LiteRT tells in C++ what it passes over, and its refusals once more (2.21).
"""

from __future__ import annotations

import importlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

START_UP = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:\d+\.\d+ .*\.cc:\d+\]"
    rb"|To enable the following instructions: "
)
"""How the lines begin that TensorFlow prints when it is loaded."""

CONVERTER = re.compile(
    START_UP.pattern
    + rb"|loc\(|<unknown>:0: |error: |Some ops |(?:Custom|Flex) ops: |Details:|\ttf\.|\s*$"
    rb"|Summary on the non-converted ops|-+$| \* |Analysis of the input|.*non-converted"
)
"""How the lines begin that LiteRT's converter prints of a model that it takes, or refuses."""

RETRACING = "triggered tf.function retracing"


def import_keras_quietly() -> None:
    """Import Keras, and with it its backend, without TensorFlow's start-up lines.

    What TensorFlow says later below a fatal error is off too, unless TF_CPP_MIN_LOG_LEVEL says
    otherwise. A process that has TensorFlow already stays as it is.
    """
    if "keras" in sys.modules:
        return
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with drop_start_up_lines():
        importlib.import_module("keras")


def drop_start_up_lines() -> AbstractContextManager[None]:
    """Hold stderr back, and print at the end what of it is not TensorFlow's.

    All is printed where the body raises.
    """
    return _hold_stderr(START_UP)


def drop_converter_lines() -> AbstractContextManager[None]:
    """Hold stderr back, and print at the end what the converter of LiteRT has not written.

    Where the body raises, these lines are in the exception's text, and are dropped all the same.
    """
    return _hold_stderr(CONVERTER, even_of_failure=True)


@contextmanager
def _hold_stderr(dropped: re.Pattern[bytes], *, even_of_failure: bool = False) -> Iterator[None]:
    """Hold stderr back, and print at the end the lines that do not begin with a pattern."""
    sys.stderr.flush()
    own = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            sys.stderr.flush()
            os.dup2(own, 2)
            held.seek(0)
            for line in held:
                if (failed and not even_of_failure) or not dropped.match(line):
                    os.write(own, line)
            os.close(own)


@contextmanager
def drop_retracing_warnings() -> Iterator[None]:
    """Drop TensorFlow's warnings that a function is traced again and again."""

    def is_other(record: logging.LogRecord) -> bool:
        return RETRACING not in str(record.msg)

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
