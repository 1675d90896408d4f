"""The warning before a hard prune that will cost much."""

from pconv_tf.config import PruningConfig
from pconv_tf.training.convergence import warn_if_unconverged

CONFIG = PruningConfig(rho=[1e-3, 0.02], epochs_per_stage=3)


def test_says_how_far_and_what_helps(caplog):
    warn_if_unconverged({"pconv_primal": 0.62, "pconv_changed": 0.1}, CONFIG)
    (message,) = caplog.messages
    assert "pconv_primal 0.62 (converged is at most 0.3): the hard prune" in message
    assert "the last rho (0.02), epochs_per_stage (3)" in message
    assert caplog.records[0].levelname == "WARNING" and caplog.records[0].name == "absl"


def test_says_that_the_choice_has_not_settled(caplog):
    warn_if_unconverged({"pconv_primal": 0.62, "pconv_changed": 0.8}, CONFIG)
    assert "the last update chose 80% of the kept weights anew" in caplog.text


def test_is_silent_where_admm_converged(caplog):
    warn_if_unconverged({"pconv_primal": 0.29, "pconv_changed": 0.9}, CONFIG)
    assert not caplog.messages
