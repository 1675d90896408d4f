"""Which commit of the project's own checkout is at work."""

from __future__ import annotations

import subprocess
from pathlib import Path

_FOLDER = Path(__file__).parent


def checkout_commit() -> str:
    """The commit of the checkout that this package belongs to, shortened; empty without one."""
    # A package installed somewhere below another project's checkout is not tracked there.
    if _git("ls-files", "--error-unmatch", __file__) is None:
        return ""
    return _git("rev-parse", "--short", "HEAD") or ""


def commits_since(commit: str, folder: str) -> int | None:
    """How many commits after `commit` changed files below a folder of the checkout.

    Args:
        commit: An ancestor of what is checked out.
        folder: From the root of the checkout.

    Returns:
        Their number; None without a checkout, or where it does not hold the commit.
    """
    counted = _git("rev-list", "--count", f"{commit}..HEAD", "--", f":/{folder}")
    return None if counted is None else int(counted)


def _git(*arguments: str) -> str | None:
    try:
        found = subprocess.run(
            ["git", "-C", str(_FOLDER), *arguments], check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
