"""What `benchmarks.models` races beside a dense file: its conversions, kept in the user's cache."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pconv_tf.cache_folder import cache_folder
from pconv_tf.conversion.model_estimate import Parts, model_parts
from pconv_tf.conversion.report import PCONV
from pconv_tf.conversion.targets import target, this_machine
from pconv_tf.files import write_atomically

BASELINE, DEFAULT, ALONE = "litert", "default", "alone"
_PACKAGE = Path(__file__).resolve().parents[1] / "pconv_tf"
# What a conversion depends on, besides the file.
_SOURCES = ("conversion", "fkw")


class RacedFiles(NamedTuple):
    """A dense file and its conversions.

    Attributes:
        twin: the dense file.
        paths: of the conversions, by DEFAULT and ALONE.
        subject: what measurements tell of them: of each how many "layers" are a PConv2D, "of" how
            many convolutions, how many times faster it is "expected" to be (None without a
            PConv2D), its "bytes" and "digest"; the "twin"'s digest; the "parts" of the files that
            costs are fitted to; and in "shares" where the time goes.
    """

    twin: Path
    paths: dict[str, Path]
    subject: dict[str, Any]


def raced_files(twin: Path) -> RacedFiles:
    """The conversions of a dense file whose weights have been pruned; made if they are new.

    Args:
        twin: the file.
    """
    data = twin.read_bytes()
    digest = digest_of(data)
    folder = cache_folder("raced", f"{this_machine()}_{_sources_digest()}")
    paths = {name: folder / f"{digest}_{name}.tflite" for name in (DEFAULT, ALONE)}
    facts = folder / f"{digest}.json"
    if not facts.is_file():
        subject: dict[str, Any] = {"twin": digest}
        made, parts, shares = _conversions(data)
        for name, conversion in made.items():
            flatbuffer = conversion.flatbuffer
            write_atomically(paths[name], flatbuffer)
            subject[name] = {
                "layers": sum(layer.became == PCONV for layer in conversion.layers),
                "of": len(conversion.layers),
                "expected": conversion.expected_gain,
                "bytes": len(flatbuffer),
                "digest": digest_of(flatbuffer),
            }
        write_atomically(facts, json.dumps(subject | {"parts": parts, "shares": shares}))
    return RacedFiles(twin, paths, json.loads(facts.read_text()))


def digest_of(data: bytes) -> str:
    """What tells a file from others."""
    return hashlib.sha256(data).hexdigest()[:16]


def _sources_digest() -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for source in _SOURCES:
        for file in sorted((_PACKAGE / source).rglob("*")):
            if file.suffix in (".py", ".json"):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _conversions(twin: bytes) -> tuple[dict[str, Any], dict[str, Parts], str]:
    """What `convert` makes and what it makes of all layers that gain alone; their parts, shares."""
    from pconv_tf.conversion.converter import by_estimate, convert_by, convert_with_report
    from pconv_tf.conversion.model_choice import ModelChoice

    parts, shares = {}, ""

    def choose(layers: Any, divisions: Any) -> ModelChoice:
        nonlocal shares
        wanted = {place for place, layer in enumerate(layers) if layer.became == PCONV}
        parts[BASELINE] = model_parts(layers, divisions, set())
        parts[ALONE] = model_parts(layers, divisions, wanted)
        shares = _shares(parts[BASELINE], target(None).xnnpack)
        return by_estimate(target(None), force=True)(layers, divisions)

    made = {DEFAULT: convert_with_report(twin), ALONE: convert_by(twin, choose)}
    return made, parts, shares


def _shares(parts: Parts, costs: Mapping[str, float]) -> str:
    """What the dense network's expected time goes to: '81 % 3x3, 12 % 1x1'."""
    titles = {
        "operator": "operators",
        "spatial": "3x3 and larger",
        "pointwise": "1x1",
        "depthwise": "depthwise",
        "fully_connected": "fully connected",
        "layer": "starting convolutions",
        "weight": "weights",
        "exp": "sigmoid and softmax",
        "tanh": "tanh",
        "unary": "other activations",
        "plain": "sums, pools and the like",
    }
    times = {part: parts.get(f"xnnpack.{part}", 0.0) * costs[part] for part in titles}
    whole = sum(times.values())
    parts_in_order = sorted(times, key=lambda part: -times[part])
    return ", ".join(
        f"{times[part] / whole:.0%} {titles[part]}"
        for part in parts_in_order
        if times[part] > 0.1 * whole
    )
