"""What `import pconv_tf` costs and does, measured in fresh processes."""

import os
import subprocess
import sys

import pytest

import pconv_tf

HEAVY = ("tensorflow", "keras", "tf_keras", "tensorflow_model_optimization", "jax")


def in_fresh_process(code):
    # A test that used tfmot in this process may have left its variable behind.
    environment = {k: v for k, v in os.environ.items() if k != "TF_USE_LEGACY_KERAS"}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return run.stdout.strip()


def test_imports_nothing_but_itself_and_the_standard_library():
    """What keeps it quick, whatever the machine."""
    code = (
        "import sys; before = set(sys.modules); import pconv_tf;"
        "print({m.partition('.')[0] for m in set(sys.modules) - before} - sys.stdlib_module_names)"
    )
    assert in_fresh_process(code) == "{'pconv_tf'}"


def test_imports_no_framework_and_changes_no_environment_variable():
    code = (
        "import os, sys; before = dict(os.environ); import pconv_tf; pconv_tf.PruningConfig();"
        f"print([m for m in {HEAVY} if m in sys.modules], dict(os.environ) == before)"
    )
    assert in_fresh_process(code) == "[] True"


@pytest.mark.slow
def test_every_public_name_can_be_used_without_changing_the_environment():
    # Frameworks set variables of their own; ours must not come from tfmot, which swaps tf.keras.
    code = (
        "import os, pconv_tf; [getattr(pconv_tf, name) for name in pconv_tf.__all__];"
        "print(os.environ.get('TF_USE_LEGACY_KERAS'))"
    )
    assert in_fresh_process(code) == "None"


def test_lists_its_public_names():
    assert set(pconv_tf.__all__) <= set(dir(pconv_tf))
    assert "PConvCallback" in pconv_tf.__all__
