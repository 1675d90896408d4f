"""The commit of the project's own checkout."""

import re
import subprocess

import pytest

from pconv_tf.measuring import checkout


@pytest.fixture
def checkout_folder(tmp_path, monkeypatch):
    """A checkout of two commits, of which the second changes engine/, as the package's own."""

    def git(*arguments):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ["git", "-C", str(tmp_path), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    commits = []
    for name in ("a", "engine/b"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
        git("add", ".")
        git("commit", "-q", "-m", name)
        commits.append(git("rev-parse", "HEAD"))
    monkeypatch.setattr(checkout, "_FOLDER", tmp_path)
    return commits


def test_the_commit_is_that_of_the_package_s_own_checkout():
    # Empty where git refuses the folder, which may be another user's.
    assert re.fullmatch(r"[0-9a-f]{7,}|", checkout.checkout_commit())


def test_a_package_that_another_checkout_does_not_track_has_no_commit(checkout_folder):
    assert checkout.checkout_commit() == ""


def test_commits_are_counted_where_they_change_the_folder(checkout_folder):
    first, second = checkout_folder
    assert checkout.commits_since(first, "engine") == 1
    assert checkout.commits_since(second, "engine") == 0
    assert checkout.commits_since(first, "other") == 0


def test_an_unknown_commit_has_no_age(checkout_folder):
    assert checkout.commits_since("0123456789abcdef", "engine") is None
