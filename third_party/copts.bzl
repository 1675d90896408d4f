"""Compiler options of every target of this project (external sources are compiled without them)."""

PCONV_COPTS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-missing-field-initializers",  # aggregates with default member values are the norm here
]

def isa_copts(isa):
    """Options for kernels of one instruction set: "avx512", "avx2" or "baseline".

    Other processors than x86-64 compile the same sources, which are empty there, without them.
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
            "-mprefer-vector-width=512",
        ],
        "avx2": ["-mavx2", "-mfma", "-mf16c"],
        "baseline": [],
    }
    return PCONV_COPTS + ["-O3"] + select({
        "//third_party:x86_64": options[isa],
        "//conditions:default": [],
    })
