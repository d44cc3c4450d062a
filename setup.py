"""Build cython_ext/*.pyx into the package as mpicode.kernels._*; everything else is in pyproject.toml.

Environment:
  MPICODE_REQUIRE_EXT=1   a kernel that does not compile is an error, not a reason to use its plain twin
  MPICODE_CYTHON_DEBUG=1  bounds checks and line tracing information in the Cython part, no optimisation
  CFLAGS                  as ever; cython_ext/README.md shows a build under AddressSanitizer
"""

import os
import sys
from pathlib import Path

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
    "freethreading_compatible": True,
}

# No -march: one build must serve every node of a cluster; cython_ext/wide.h clones the hot loops for
# wider vectors. No contraction to fused multiply-add: the same sum has the same bits on every CPU.
UNIX_FLAGS = ["-O1", "-g", "-ffp-contract=off"] if DEBUG else ["-O3", "-ffp-contract=off"]
MSVC_FLAGS = ["/Od", "/fp:precise"] if DEBUG else ["/O2", "/fp:precise"]


class BuildKernels(build_ext):
    """Choose the flags once the compiler is known."""

    def build_extensions(self):
        flags = MSVC_FLAGS if self.compiler.compiler_type == "msvc" else UNIX_FLAGS
        for extension in self.extensions:
            extension.extra_compile_args = flags
        super().build_extensions()


def kernels():
    """Return one extension per source file, or none where Cython itself is absent."""
    try:
        from Cython.Build import cythonize
    except ImportError:
        if REQUIRED:
            raise
        print("mpicode: no Cython; the plain kernels will serve", file=sys.stderr)
        return []
    extensions = cythonize(
        [
            Extension(
                f"mpicode.kernels.{source.stem}",
                [source.as_posix()],
                depends=["cython_ext/wide.h", "cython_ext/buffers.pxd"],
            )
            for source in sorted(Path("cython_ext").glob("*.pyx"))
        ],
        include_path=["cython_ext"],
        compiler_directives=DIRECTIVES,
    )
    # cythonize() drops `optional`, so it is set on what it returns.
    for extension in extensions:
        extension.optional = not REQUIRED
        extension.include_dirs.append("cython_ext")
    return extensions


setup(ext_modules=kernels(), cmdclass={"build_ext": BuildKernels})
