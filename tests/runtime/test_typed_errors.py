"""What leaves a public function is a Torch2KerasError."""

from __future__ import annotations

import json

import pytest

from torch2keras.errors import InputError, InternalError, LoweringError
from torch2keras.runtime.typed_errors import describe_exception, raise_typed_errors


@raise_typed_errors
def convert(function, *args):
    """The docstring."""
    return function(*args)


def users_line():
    raise ZeroDivisionError("by a user")


def test_results_and_our_own_errors_pass() -> None:
    assert convert(lambda: 3) == 3
    assert convert.__doc__ == "The docstring."
    wanted = LoweringError("no form", [("next", "another one")])
    with pytest.raises(LoweringError) as caught:
        convert(lambda: (_ for _ in ()).throw(wanted))
    assert caught.value is wanted


def test_a_users_line_is_named() -> None:
    with pytest.raises(InputError) as caught:
        convert(users_line)
    message = str(caught.value)
    assert "test_typed_errors.py" in message
    assert 'raise ZeroDivisionError("by a user")' in message
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_users_line_behind_python_and_frameworks_is_named() -> None:
    with pytest.raises(InputError, match=r"json\.loads\("):
        convert(lambda: json.loads("{"))


def test_a_fault_of_ours_says_what_to_attach() -> None:
    with pytest.raises(InternalError) as caught:
        raise_typed_errors(describe_exception)("no", "such", "arguments")
    message = str(caught.value)
    assert "runtime/typed_errors.py" in message
    assert "torch " in message
    assert "report it" in message


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_passes(error: type[BaseException]) -> None:
    def leave():
        raise error

    with pytest.raises(error):
        convert(leave)


def test_memory() -> None:
    def allocate():
        raise MemoryError

    with pytest.raises(InputError, match="not enough memory to convert"):
        convert(allocate)


class MuteError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("one\ntwo"), "ValueError: one"),
        (ValueError(), "ValueError"),
        (MuteError(), "MuteError"),
        (KeyError("x" * 500), f"KeyError: '{'x' * 296}..."),
    ],
)
def test_descriptions(error: Exception, text: str) -> None:
    assert describe_exception(error) == text


def test_an_exception_without_text_is_typed_too() -> None:
    def mute():
        raise MuteError

    with pytest.raises(InputError, match="MuteError"):
        convert(mute)
