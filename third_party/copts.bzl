"""Compiler options of every target of this project (external sources are compiled without them)."""

_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-missing-field-initializers",  # aggregates with default member values are the norm here
]

# The C library checks sizes that the compiler knows; it does so in optimised code only.
PCONV_COPTS = _WARNINGS + select({
    "//third_party:optimized": [
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",
    ],
    "//conditions:default": [],
})

def isa_copts(isa):
    """Options for kernels of one instruction set: "avx512", "avx512vnni", "avxvnni", "avx2", "baseline", or ARM64's "float16" and "sdot".

    Other processors than an instruction set's own compile the same sources, which are empty there, without them.
    """
    options = {
        "avx512": [
            "-mavx512f",
            "-mavx512dq",
            "-mavx512bw",
            "-mavx512vl",
            "-mavx2",
            "-mfma",
            "-mf16c",
            "-mprfchw",  # lines fetched for writing are taken from other cores
            "-mprefer-vector-width=512",
        ],
        "avx512vnni": [
            "-mavx512f",
            "-mavx512dq",
            "-mavx512bw",
            "-mavx512vl",
            "-mavx512vnni",
            "-mprefer-vector-width=512",
        ],
        "avxvnni": ["-mavx2", "-mfma", "-mf16c", "-mavxvnni"],
        "avx2": ["-mavx2", "-mfma", "-mf16c"],
        "baseline": [],
        "float16": [],
        "sdot": [],
    }
    arm64 = {
        "float16": [
            "-march=armv8.2-a+fp16",
            # GCC's scheduler moves loads up until the sums of a register block spill.
            "-fno-schedule-insns",
            "-Wno-ignored-optimization-argument",  # Clang does not know it
        ],
        "sdot": ["-march=armv8.2-a+dotprod"],
    }
    return _WARNINGS + ["-O3"] + select({
        "//third_party:x86_64": options[isa],
        "//conditions:default": arm64.get(isa, []),
    })
