import os
from pathlib import Path

import pytest

from mpicode.disk import is_locked, lock


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="no /proc/locks here")
def test_a_lock_is_seen_without_taking_it(tmp_path):
    path = tmp_path / "run.h5.part"
    handle = lock(path)
    try:
        assert is_locked(path)
        assert is_locked(path)
        with pytest.raises(BlockingIOError):
            lock(path)
    finally:
        os.close(handle)
    assert not is_locked(path)
    assert not is_locked(tmp_path / "none")
