"""Imports between the packages of pconv_tf point one way."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "pconv_tf"

# Package or module -> what it may import of this project. What stands lower needs nothing of what
# stands higher, so the table has no circle.
MAY_IMPORT = {
    "files": set(),
    "cache_folder": set(),
    "cpu_info": set(),
    "tables": set(),
    "fkw": set(),
    "runtime": set(),
    "config": {"fkw"},
    "training": {"config", "files", "fkw", "tables"},
    "conversion": {"cpu_info", "files", "fkw", "runtime", "tables"},
    "measuring": {"conversion", "cpu_info", "files", "fkw", "runtime"},
    "comparing": {
        "cache_folder",
        "config",
        "conversion",
        "files",
        "measuring",
        "runtime",
        "training",
    },
    "reporting": {"conversion", "files", "measuring", "tables"},
}
# They join everything, and so may use the public names as a user does.
TOP = {"__init__", "version", "__main__", "cli", "demo"}


def imports_of(path):
    """What a file imports of pconv_tf: packages, and public names as "pconv_tf:NAME"."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "pconv_tf":
            packages = {child.stem for child in PACKAGE.iterdir()}
            modules = [
                f"pconv_tf.{n.name}" if n.name in packages else f"pconv_tf:{n.name}"
                for n in node.names
            ]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            modules = [node.module]
        else:
            continue
        for module in modules:
            if module.startswith("pconv_tf:"):
                yield module
            elif module.split(".")[0] == "pconv_tf":
                yield ".".join(module.split(".")[1:2]) or "pconv_tf:*"


def test_every_package_is_in_the_table():
    found = {p.stem for p in PACKAGE.iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert found == set(MAY_IMPORT) | TOP


def test_the_table_has_no_circle():
    left = dict(MAY_IMPORT)
    while left:
        free = [name for name, needs in left.items() if not needs & set(left)]
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


@pytest.mark.parametrize("name", MAY_IMPORT)
def test_a_package_imports_only_what_it_may(name):
    package = PACKAGE / name
    files = sorted(package.rglob("*.py")) if package.is_dir() else [package.with_suffix(".py")]
    allowed = MAY_IMPORT[name] | {name, "pconv_tf:__version__"}
    wrong = [
        f"{file.relative_to(PACKAGE)}: {used}"
        for file in files
        for used in imports_of(file)
        if used not in allowed
    ]
    assert files and not wrong
