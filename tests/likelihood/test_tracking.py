"""log Z of a model in training, against enumeration; the monitor that shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import rbmfast as rf
from rbmfast.likelihood.tracking import LogZTracker
from rbmfast.models.bennett import acceptance_ratio


def data(n: int = 300) -> Any:
    rng = np.random.default_rng(0)
    kinds = rng.integers(0, 2, (3, 18))
    return (kinds[rng.integers(0, 3, n)] ^ (rng.random((n, 18)) < 0.1)).astype(np.uint8)


def settings(**changes: Any) -> dict[str, Any]:
    own = {"epochs": 12, "batch_size": 10, "optimizer": rf.SGD(0.2), "method": rf.PCD(1), "seed": 1}
    return own | changes


@pytest.fixture(autouse=True)
def chains_for_17_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.likelihood.tracking.EXACT_UNITS", 15)


def trained(**changes: Any) -> tuple[rf.RBM, rf.History]:
    rbm = rf.RBM(18, 17, seed=0)
    return rbm, rf.train(rbm, data(), **settings(**changes))


def test_it_follows_log_z() -> None:
    """Within six claimed standard errors of the truth (false alarms: 1e-8)."""
    monitor = rf.LogLikelihood(n_chains=50, n_replicas=8, steps=40)
    rbm, history = trained(monitors=[monitor])
    truth = rf.log_partition(rbm).value
    assert 0 < history["log_z_stderr"][-1] < 0.1
    assert abs(history["log_z"][-1] - truth) < 6 * history["log_z_stderr"][-1]
    at = rf.log_likelihood(rbm, data()).mean()
    assert_allclose(history["train_log_likelihood"][-1], at, atol=6 * history["log_z_stderr"][-1] + 1e-4)
    assert history["train_log_likelihood"][-1] > history["train_log_likelihood"][0] + 1


@pytest.mark.slow
def test_the_claimed_error_is_that_of_chains_that_remember() -> None:
    """The spread over 40 seeds is what is claimed within a half: false alarms of 1e-4."""
    rbm, _ = trained()
    truth = rf.log_partition(rbm).value
    tracker = LogZTracker(n_chains=10, n_replicas=6, steps=30)
    looks = np.array([tracker.look(rbm, {}, seed, 0) for seed in range(40)])
    error, claimed = looks[:, 0] - truth, looks[:, 1].mean()
    assert 0.55 < error.std() / claimed < 1.6
    assert abs(error.mean()) < 4 * error.std() / 40**0.5


def test_chains_of_older_checkpoints_go_on() -> None:
    """They were kept in an array (n_replicas, n_chains, n_hidden)."""
    rbm, tracker, memory = rf.RBM(18, 17, seed=0), LogZTracker(n_chains=3, n_replicas=4, steps=5), {}
    tracker.look(rbm, memory, 1, 0)
    older = {"h": memory["h"].reshape(4, 3, 17)}
    assert tracker.look(rbm, older, 1, 1) == tracker.look(rbm, memory, 1, 1)


def test_the_acceptance_ratio() -> None:
    """Two normal distributions, whose log-ratio is linear: within 5 errors (false alarms: 1e-6)."""
    rng = np.random.default_rng(0)
    for n_up, n_down in ((2000, 2000), (500, 3000)):
        x0, x1 = rng.normal(0, 1, n_up), rng.normal(1, 1, n_down)
        value, stderr, _ = acceptance_ratio(*(x - 0.5 + 3.0 for x in (x0, x1)))  # Z1 / Z0 = exp(3)
        assert abs(value - 3) < 5 * stderr
        assert 0 < stderr < 0.1
    assert acceptance_ratio(np.full(5, -2000.0), np.full(5, 2000.0))[1] == np.inf


def test_small_models_are_exact() -> None:
    rbm = rf.RBM(18, 6, seed=0)
    history = rf.train(rbm, data(), monitors=[rf.LogLikelihood()], **settings(epochs=2))
    assert_allclose(history["log_z"][-1], rf.log_partition(rbm).value, atol=1e-6)
    assert history["log_z_stderr"][-1] == 0


def test_it_does_not_change_training_and_resumes(tmp_path: Path) -> None:
    monitors = [rf.LogLikelihood(n_chains=5, n_replicas=4, steps=5)]
    plain, _ = trained()
    rbm, whole = trained(monitors=monitors, validation=data(50))
    assert_array_equal(rbm.W, plain.W)
    assert {"train_log_likelihood", "validation_log_likelihood"} <= set(whole)

    file, again = tmp_path / "run", rf.RBM(18, 17, seed=0)
    common = settings(monitors=monitors, validation=data(50))
    rf.train(again, data(), checkpoint=file, **{**common, "epochs": 5})
    resumed = rf.train(again, data(), resume=file, **common)
    for name in ("log_z", "log_z_stderr", "train_log_likelihood", "validation_log_likelihood"):
        assert_array_equal(resumed[name], whole[name])


def test_early_stopping_by_it() -> None:
    stop = rf.EarlyStopping("validation_log_likelihood", patience=2)
    monitors = [rf.LogLikelihood(n_chains=5, n_replicas=4, steps=10)]
    _, history = trained(
        monitors=monitors, validation=data(20), callbacks=[stop], epochs=100, optimizer=rf.SGD(0.5)
    )
    assert history.stopped is not None
    assert 3 <= len(history) < 101


def test_grey_levels_are_refused_before_anything_changes() -> None:
    rbm = rf.RBM(18, 17, seed=0)
    with pytest.raises(ValueError, match=r"X\[0, 0\] is a grey level"):
        rf.train(rbm, np.full((30, 18), 0.5), monitors=[rf.LogLikelihood()], seed=1)
    with pytest.raises(ValueError, match=r"validation\[0, 0\] is a grey level"):
        rf.train(rbm, data(), validation=np.full((30, 18), 0.5), monitors=[rf.LogLikelihood()], **settings())
    assert rbm.is_untouched


@pytest.mark.parametrize("name", ["n_chains", "n_replicas", "steps", "max_rows"])
def test_arguments(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be an integer"):
        rf.LogLikelihood(**{name: 0})
