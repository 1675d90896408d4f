"""Offline stand-in for rules_shell: the rule that Bazel 4 to 7 carries itself."""

sh_test = native.sh_test
