"""A rank goes on although nobody hears it any more."""

import io
import sys

import pytest

from mpicode.cli.speech import Unheard, speak_anyway


class Dead(io.StringIO):
    def write(self, text):
        raise BrokenPipeError("nobody there")

    def flush(self):
        raise OSError(5, "Input/output error")


def test_what_is_heard_arrives():
    stream = io.StringIO()
    print("one", "two", file=Unheard(stream), flush=True)
    assert stream.getvalue() == "one two\n"
    assert Unheard(stream).getvalue() == "one two\n"


def test_what_is_not_heard_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Dead())
    monkeypatch.setattr(sys, "stderr", Dead())
    with pytest.raises(BrokenPipeError):
        print("lost", file=sys.stderr)
    speak_anyway()
    print("lost", flush=True)
    print("lost", file=sys.stderr, flush=True)
    assert not sys.stderr.isatty()
