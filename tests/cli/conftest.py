"""One command, called in this process."""

import argparse

import pytest

from mpicode.cli.codes import add_parser


@pytest.fixture
def run(capsys):
    """Run ``mpicode codes ...``; return what went to stdout and to stderr."""
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())

    def run(*arguments):
        args = parser.parse_args(["codes", *arguments])
        assert args.command(args) == 0
        return capsys.readouterr()

    return run
