"""Build the compiled kernel where there is a compiler; install without it where there is none."""

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


class BuildKernel(build_ext):
    """Say once, in a line, that the kernel could not be built."""

    def build_extension(self, extension: Extension) -> None:
        """Build it, or say why not and go on."""
        try:
            super().build_extension(extension)
        except Exception as error:  # noqa: BLE001 - whatever stops the build, the install succeeds
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.warn(f"escalation: no compiled kernel, the slower NumPy path is used ({reason})")


setup(
    ext_modules=[
        Extension(
            "escalation.maths._kernel",
            ["model/escalation/maths/_kernel.c"],
            depends=["model/escalation/maths/_kernel.h"],
            # Multiplications join additions whatever standard CFLAGS ask for, and rows of lanes
            # stay in registers (made into memcpy they go through memory, and stall).
            extra_compile_args=["-O3", "-ffp-contract=fast", "-fno-tree-loop-distribute-patterns"],
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            py_limited_api=True,
            optional=True,
        )
    ],
    cmdclass={"build_ext": BuildKernel},
)
