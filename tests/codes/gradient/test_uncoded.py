import pytest

from mpicode import codes
from mpicode.codes.gradient.uncoded import Uncoded
from mpicode.errors import ConfigError

from ..suite import CodeSuite


class TestUncoded(CodeSuite):
    code = Uncoded
    cases = ({"n_workers": 1}, {"n_workers": 5}, {"n_workers": 4, "n_blocks": 12})


def test_blocks_must_be_shared_evenly():
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 10 blocks .* 4 workers.* 8 or 12"):
        codes.make("uncoded", n_workers=4, n_blocks=10)
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 3 blocks .* 4 workers.*valid: 4"):
        codes.make("uncoded", n_workers=4, n_blocks=3)
    with pytest.raises(ConfigError, match=r"code\.n_blocks: 0 blocks .* 4 workers.*valid: 4"):
        codes.make("uncoded", n_workers=4, n_blocks=0)
