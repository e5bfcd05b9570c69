"""Build the one compiled module, `rbmfast._engine`; everything else is declared in pyproject.toml."""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError, PlatformError

# What -O level the user's own CFLAGS ask for wins. FP contraction and LTO are not theirs to choose: fused
# multiply-adds change the bits, and LTO would mix code of different instruction sets.
FLAGS = [
    *([] if "-O" in os.environ.get("CFLAGS", "") else ["-O3"]),
    *["-std=gnu11", "-fvisibility=hidden", "-fno-math-errno", "-fno-trapping-math", "-fno-strict-aliasing"],
]
LAST_FLAGS = ["-fno-lto", "-ffp-contract=off"]  # extra_compile_args end the command line, after CFLAGS
OPENMP_FLAGS = [  # candidates: (compiler flags, linker flags)
    (["-fopenmp"], ["-fopenmp"]),
    (["-Xpreprocessor", "-fopenmp"], ["-lomp"]),
]
OPENMP_PROBE = "#include <omp.h>\nint probe(void);\nint probe(void) { return omp_get_max_threads(); }\n"
NO_OPENMP_WARNING = """
******************************************************************************
  rbmfast is being built WITHOUT OpenMP: it will use ONE thread only.
  Reason: {}
******************************************************************************
"""
# MinGW's GCC 12 does not assemble the AMX kernels, and its C library has no timespec_get; MSVC is untried.
NOT_ON_WINDOWS = "rbmfast does not build on Windows yet; it does in the Windows Subsystem for Linux (WSL)"


def files(*patterns: str) -> list[str]:
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern))


class BuildEngine(build_ext):
    def initialize_options(self) -> None:
        super().initialize_options()
        self.cython_c_in_temp = True  # keep the generated C out of the source tree

    def run(self) -> None:
        if sys.platform == "win32":
            raise PlatformError(NOT_ON_WINDOWS)
        super().run()
        package = Path("rbmfast" if self.inplace else f"{self.build_lib}/rbmfast")
        self.mkpath(str(package / "include"))  # the folder that rbmfast.get_include() names
        self.copy_file("src/rbmk.h", str(package / "include" / "rbmk.h"))

    def openmp_flags(self) -> tuple[list[str], list[str]]:
        if os.environ.get("RBMFAST_NO_OPENMP", "0") not in ("", "0"):
            print(NO_OPENMP_WARNING.format("RBMFAST_NO_OPENMP is set."), file=sys.stderr, flush=True)
            return [], []
        for compile_flags, link_flags in OPENMP_FLAGS:
            with tempfile.TemporaryDirectory() as folder:
                source = Path(folder, "probe.c")
                source.write_text(OPENMP_PROBE)
                try:
                    objects = self.compiler.compile([str(source)], folder, extra_postargs=compile_flags)
                    library = str(Path(folder, "probe.so"))
                    exports = {"export_symbols": ["probe"], "extra_postargs": link_flags}
                    self.compiler.link_shared_object(objects, library, **exports)
                except (CompileError, LinkError):
                    continue
                return compile_flags, link_flags
        reason = "the compiler could not build a small OpenMP program (see above)."
        print(NO_OPENMP_WARNING.format(reason), file=sys.stderr, flush=True)
        return [], []

    def build_extensions(self) -> None:
        compile_flags, link_flags = self.openmp_flags()
        (engine,) = self.extensions
        engine.extra_compile_args = compile_flags + FLAGS + LAST_FLAGS
        engine.extra_link_args = link_flags

        self.force = True  # objects of an earlier build may have been made with other flags
        compile_files = self.compiler.compile

        def compile_in_parallel(sources, **options):
            with ThreadPoolExecutor(self.parallel or min(os.cpu_count() or 1, 8)) as pool:
                return [objects[0] for objects in pool.map(lambda s: compile_files([s], **options), sources)]

        self.compiler.compile = compile_in_parallel
        super().build_extensions()


engine = Extension(
    "rbmfast._engine",
    sources=["rbmfast/_engine.pyx", *files("src/**/*.c")],
    include_dirs=["src"],
    depends=files("src/**/*.h", "src/**/*.def", "src/**/*.inc", "rbmfast/*.pxd"),
)
setup(ext_modules=[engine], cmdclass={"build_ext": BuildEngine})
