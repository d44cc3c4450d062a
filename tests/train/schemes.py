"""Every scheme with its defaults, on as many workers as it can be made for."""

from mpicode import codes
from mpicode.errors import ConfigError


def make(name, least=6, **parameters):
    """Return the scheme on the fewest workers, at least ``least``, that it can be made for."""
    for n_workers in range(least, least + 40):
        try:
            return codes.make(name, n_workers=n_workers, seed=3, **parameters)
        except ConfigError as error:
            refused = error
    raise refused


WORKERS = {name: make(name).n_workers for name in codes.names("gradient")}

# The others promise no exact sum.
EXACT = [name for name in codes.names("gradient") if make(name).max_stragglers is not None]
APPROXIMATE = [name for name in codes.names("gradient") if name not in EXACT]
