"""Build cython_ext/*.pyx into the package as mpicode.kernels._*; metadata is in pyproject.toml.

Environment:
  MPICODE_REQUIRE_EXT=1   a kernel that does not compile is an error; else its plain twin serves
  MPICODE_CYTHON_DEBUG=1  bounds checks in the Cython part and hardly any optimisation
  CFLAGS, LDFLAGS, CC     as ever; cython_ext/README.md shows a build under AddressSanitizer
"""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

DEBUG = os.environ.get("MPICODE_CYTHON_DEBUG") == "1"
REQUIRED = os.environ.get("MPICODE_REQUIRE_EXT") == "1"

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": not DEBUG,
    "nonecheck": DEBUG,
    "embedsignature": True,
}

SOURCES = Path("cython_ext")
HEADERS = sorted(str(path) for path in SOURCES.iterdir() if path.suffix in (".h", ".pxd"))

# No -march: one build must serve every node of a cluster; cython_ext/wide.h clones the hot loops
# for wider vectors. No contraction to fused multiply-add: a sum has the same bits on every CPU.
UNIX_FLAGS = ["-O1", "-g", "-ffp-contract=off"] if DEBUG else ["-O3", "-ffp-contract=off"]
MSVC_FLAGS = ["/Od", "/fp:precise"] if DEBUG else ["/O2", "/fp:precise"]


class BuildKernels(build_ext):
    """Choose the flags once the compiler is known."""

    def build_extensions(self):
        """Build them all."""
        flags = MSVC_FLAGS if self.compiler.compiler_type == "msvc" else UNIX_FLAGS
        for extension in self.extensions:
            extension.extra_compile_args = flags
        super().build_extensions()


def kernels():
    """Return one extension per source file."""
    extensions = cythonize(
        [
            Extension(f"mpicode.kernels.{source.stem}", [str(source)], depends=HEADERS)
            for source in sorted(SOURCES.glob("*.pyx"))
        ],
        include_path=[str(SOURCES)],
        compiler_directives=DIRECTIVES,
    )
    # cythonize() drops `optional`, so it is set on what it returns.
    for extension in extensions:
        extension.optional = not REQUIRED
    return extensions


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
