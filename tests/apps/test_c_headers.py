"""The C headers: plain C, beside TFLite's own declarations, and all options of the delegate."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "delegate" / "include"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
# TFLite's headers are in none of its wheels: what they declare of the same names.
TFLITE = """
typedef struct TfLiteDelegate TfLiteDelegate;
typedef struct TfLiteRegistration { int builtin_code; } TfLiteRegistration;
#ifdef __cplusplus
extern "C"
#endif
TfLiteDelegate* tflite_plugin_create_delegate(const char* const* options_keys,
    const char* const* options_values, size_t num_options, void (*report_error)(const char*));
"""


@pytest.mark.parametrize("language", ["c", "c++"])
@pytest.mark.parametrize("first", ["ours", "TFLite's"])
def test_headers_compile_beside_tflites(language, first, tmp_path):
    compiler = shutil.which("gcc" if language == "c" else "g++")
    if compiler is None:
        pytest.skip("no compiler")
    ours = '#include "pconv_tf/delegate.h"\n#include "pconv_tf/register.h"\n'
    text = ours + TFLITE if first == "ours" else f"#include <stddef.h>\n{TFLITE}{ours}"
    source = tmp_path / "both.txt"
    source.write_text(f"{text}struct TfLiteRegistration* (*f)(void) = Register_PCONV_2D_CPU;\n")
    standard = "-std=c11" if language == "c" else "-std=c++17"
    subprocess.run(
        [compiler, standard, *WARNINGS, "-fsyntax-only", "-I", FOLDER, "-x", language, source],
        check=True,
    )


def test_the_header_has_a_name_for_every_option():
    options = re.findall(
        r"^(?:CHOICE|INTEGER|BOOLEAN|TEXT)\([^,]+, (\w+)",
        (ROOT / "delegate/options.def").read_text(),
        re.M,
    )
    assert len(options) >= 10
    named = re.findall(
        r'^#define PCONV_OPTION_(\w+) "(\w+)"$', (FOLDER / "pconv_tf/delegate.h").read_text(), re.M
    )
    assert named == [(option.upper(), option) for option in options]
