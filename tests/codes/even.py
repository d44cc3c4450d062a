"""What codes promise in which every worker tells something of every piece of its blocks."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal


class EvenSuite:
    """Mix this in before `CodeSuite`."""

    def is_even(self, made, case):
        """Whether the construction promises it for this case."""
        return True

    @pytest.fixture
    def parts(self, made):
        shape = (made.n_messages, made.n_segments, made.n_blocks)
        return made.encoding.toarray().reshape(shape) != 0

    def test_every_segment_has_the_same_placement(self, made, case, parts):
        if not self.is_even(made, case):
            pytest.skip("some coefficient may be 0")
        for segment in range(made.n_segments):
            assert_array_equal(parts[:, segment], parts[:, 0])

    def test_workers_hold_equally_many_blocks_and_blocks_have_as_many_holders(self, parts):
        held = parts.any(axis=1)
        assert np.ptp(held.sum(axis=0)) == 0
        assert np.ptp(held.sum(axis=1)) == 0
