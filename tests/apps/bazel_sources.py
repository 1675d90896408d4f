"""What Bazel compiles into a target, read from the BUILD files without Bazel.

BUILD files are Python but for their functions: these stand-ins record the C++ targets.
"""

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
_IGNORED = (
    "cc_test config_setting exports_files filegroup genrule package package_group sh_test sh_binary"
)


def compiled(targets, *, x86_64):
    """(source, options) of everything that `targets` link, repeated sources included.

    Args:
        targets: Labels such as "//delegate:plugin".
        x86_64: Whether for x86-64, else for ARM64.
    """
    packages = {}
    found, seen, todo = set(), set(), list(targets)
    while todo:
        label = todo.pop()
        if label in seen or label.startswith("@"):
            continue
        seen.add(label)
        package, name = label.removeprefix("//").split(":")
        if package not in packages:
            packages[package] = _evaluate(package, x86_64)
        target = packages[package][name]
        for source in target.get("srcs", ()):
            if source.endswith(".cc"):
                found.add((f"{package}/{source}", tuple(target.get("copts", ()))))
        for dep in target.get("deps", ()):
            if ":" not in dep:
                dep = f"{dep}:{dep.rsplit('/', 1)[1]}"
            todo.append(f"//{package}{dep}" if dep.startswith(":") else dep)
    return found


def _evaluate(package, x86_64):
    targets = defaultdict(dict)
    names = {"select": lambda options: _select(options, x86_64), "load": lambda *args: None}
    exec((ROOT / "third_party/copts.bzl").read_text(), names)
    names |= dict.fromkeys(_IGNORED.split(), lambda *args, **kwargs: None)
    names |= dict.fromkeys(
        ("cc_binary", "cc_library"), lambda **kwargs: targets[kwargs["name"]].update(kwargs)
    )
    names["glob"] = lambda patterns, **kwargs: []
    exec((ROOT / package / "BUILD").read_text(), names)
    return targets


def _select(options, x86_64):
    for condition, value in options.items():
        if condition == "//third_party:optimized" or (x86_64 and condition.endswith(":x86_64")):
            return value
    return options["//conditions:default"]
