"""The dispatcher: exit codes, error texts, laziness."""

import argparse
import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import types

import pytest
from interruptible import interruptible

import pconv_tf
from pconv_tf.cli import main as cli


@pytest.fixture
def command(monkeypatch):
    """Installs `run` as the subcommand `demo`."""

    def install(run):
        module = types.ModuleType("pconv_tf.cli.demo", "Describes itself.\n\nAt length.")
        module.add_arguments = lambda parser: parser.add_argument("--size", type=int, default=1)
        module.run = run
        monkeypatch.setitem(sys.modules, "pconv_tf.cli.demo", module)

    return install


def _raise(error):
    def run(args):
        raise error

    return run


def test_runs_the_chosen_command_and_returns_its_code(command):
    command(lambda args: args.size)
    assert cli.main(["demo", "--size=7"]) == 7
    assert cli.main(["--debug", "demo"]) == 1


@pytest.mark.parametrize(
    "error", [ValueError("rate 0.5 is below 1"), FileNotFoundError("no file x.tflite")]
)
def test_user_mistake_is_one_line_and_exit_2(command, capsys, error):
    command(_raise(error))
    assert cli.main(["demo"]) == 2
    assert capsys.readouterr().err == f"pconv-tf: error: {error}\n"


def test_debug_shows_the_traceback(command, capsys):
    command(_raise(ValueError("odd")))
    assert cli.main(["demo", "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err and err.endswith("pconv-tf: error: odd\n")


def test_a_defect_of_the_program_is_not_hidden(command):
    command(_raise(KeyError("missing")))
    with pytest.raises(KeyError):
        cli.main(["demo"])


def test_interrupt_is_exit_130(command, capsys):
    command(_raise(KeyboardInterrupt()))
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == "pconv-tf: interrupted\n"


def test_command_help_is_the_module_docstring(command, capsys):
    command(lambda args: 0)
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["demo", "--help"])
    out = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert "Describes itself.\n\nAt length." in out and "--size" in out and "--debug" in out


@pytest.mark.parametrize("argv", [[], ["no_such_command"], ["--no-such-flag"]])
def test_bad_command_line_is_exit_2_with_usage(argv, capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(argv)
    assert exit_info.value.code == 2
    assert "usage: pconv-tf" in capsys.readouterr().err


def _python(code, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, **kwargs
    )


def test_help_lists_every_command_and_imports_none():
    result = _python(
        """
        import sys
        from pconv_tf.cli.main import COMMANDS, main
        try:
            main(["--help"])
        except SystemExit:
            pass
        heavy = {"tensorflow", "keras", "numpy", "rich"} & set(sys.modules)
        loaded = [n for n in COMMANDS if f"pconv_tf.cli.{n}" in sys.modules]
        print("LOADED", sorted(heavy), loaded)
        """
    )
    assert result.stdout.rstrip().endswith("LOADED [] []")
    for name, line in cli.COMMANDS.items():
        assert name in result.stdout and line in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_prints_json_for_programs(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(f"pconv_tf.cli.{name}").add_arguments(parser)
    assert any("--json" in action.option_strings for action in parser._actions)


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_help_is_complete_and_fits_80_columns(name, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as exit_info:
        cli.main([name, "--help"])
    assert exit_info.value.code == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    parser = argparse.ArgumentParser()
    importlib.import_module(f"pconv_tf.cli.{name}").add_arguments(parser)
    for action in parser._actions:
        assert action.help, action.option_strings
        assert all(option in text for option in action.option_strings)


def test_python_dash_m_prints_the_version():
    result = subprocess.run(
        [sys.executable, "-m", "pconv_tf", "--version"], capture_output=True, text=True
    )
    assert (result.returncode, result.stdout) == (0, f"pconv-tf {pconv_tf.__version__}\n")


_SLEEPER = """
import sys, time, types
module = types.ModuleType("pconv_tf.cli.demo", "Sleeps.")
module.add_arguments = lambda parser: None
def run(args):
    {body}
module.run = run
sys.modules["pconv_tf.cli.demo"] = module
from pconv_tf.cli.main import main
sys.exit(main(["demo"]))
"""


def test_ctrl_c_ends_the_process_with_130():
    code = _SLEEPER.format(body="print('ready', flush=True); time.sleep(600)")
    with interruptible(code, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 130 and err == "pconv-tf: interrupted\n"


def test_a_reader_that_goes_away_is_no_error():
    code = _SLEEPER.format(body="[print('line') for _ in range(100000)]; return 0")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.wait(timeout=300)
    assert process.returncode == 141 and err == ""


def test_a_missing_package_names_the_extra(command, capsys):
    command(_raise(ModuleNotFoundError("No module named 'keras.layers'", name="keras.layers")))
    assert cli.main(["demo"]) == 2
    error = capsys.readouterr().err
    assert error == "pconv-tf: error: this needs keras.layers: pip install 'pconv-tf[train]'\n"


def test_a_missing_module_of_ours_is_a_defect(command):
    command(_raise(ModuleNotFoundError("No module named 'pconv_tf.x'", name="pconv_tf.x")))
    with pytest.raises(ModuleNotFoundError):
        cli.main(["demo"])


def test_a_table_into_a_closed_pipe_ends_with_141(command):
    code = (
        "import sys; from pconv_tf import tables; from pconv_tf.cli import main; import types;"
        "m = types.ModuleType('m', 'm'); m.add_arguments = lambda parser: None;"
        "m.run = lambda args: [tables.print_table(['a'], [[1]] * 9999) for _ in range(9)] and 0;"
        "sys.modules['pconv_tf.cli.demo'] = m; sys.exit(main.main(['demo']))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    process.stdout.read(1)
    process.stdout.close()
    assert process.wait() == 141


@pytest.mark.parametrize(("chosen", "expected"), [(None, "1"), ("0", "0")])
def test_tensorflow_gets_its_faster_kernels_unless_the_user_chose(chosen, expected):
    code = """
import os, sys
from pconv_tf.cli.main import main
try:
    main(["--version"])
except SystemExit:
    print(os.environ["TF_ENABLE_ONEDNN_OPTS"], "tensorflow" in sys.modules)
"""
    environment = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    if chosen is not None:
        environment["TF_ENABLE_ONEDNN_OPTS"] = chosen
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-2:] == [expected, "False"]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("num_threads: received -1", "--num_threads: received -1"),
        (
            "accuracy_before and accuracy_after: give both",
            "--accuracy_before and --accuracy_after: ",
        ),
        ("a.tflite: no such file", "a.tflite: no such file"),
        ("num_threads of a.tflite: wrong", "num_threads of a.tflite: wrong"),
        ("rho: expected", "rho: expected"),  # a field of the configuration
        ("num_threads", "num_threads"),
    ],
)
def test_errors_name_flags(message, shown):
    flags = {"num_threads", "accuracy_before", "accuracy_after"}
    assert cli.with_flags(message, flags).startswith(shown)


def test_an_error_of_the_api_names_the_flag(dense_tflite, capfd):
    assert cli.main(["benchmark", f"--graph={dense_tflite}", "--num_threads=-1"]) == 2
    assert "error: --num_threads: " in capfd.readouterr().err
