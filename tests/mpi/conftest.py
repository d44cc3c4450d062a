import pytest

from .digits import write_config
from .jobs import starter
from .stage import Stage


@pytest.fixture
def start(tmp_path):
    """Start a Python program, under mpirun or not."""
    with starter(tmp_path) as start:
        yield start


@pytest.fixture
def run(start):
    """Start ``mpicode run CONFIG``: by its own mpirun, or on ``ranks`` ranks of the user's."""

    def run(config, *arguments, **options):
        return start("-m", "mpicode", "run", config, *arguments, **options)

    return run


@pytest.fixture
def config(tmp_path):
    """Write ``NAME.toml`` and return its path; see `write_config`."""
    return lambda name="run", **tables: write_config(tmp_path, name, **tables)


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)
