"""Every public function, with every pair of unit types and every method: the promised answer, or a refusal.

A function, a unit type, a method, a monitor enters by a line in a list; what `__all__` and the models' public
methods name, and no list holds, fails. The last unit type and the last method come from outside the package.
"""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import rbmfast as rf
from rbmfast import likelihood, sklearn
from rbmfast.cli import main
from rbmfast.streams import Purpose
from rbmfast.training import Method, Monitor
from rbmfast.training.optimizers import Optimizer
from rbmfast.training.penalties import BuiltIn
from rbmfast.units import Unit
from rbmfast.units.common import moments

pytestmark = pytest.mark.usefixtures("unit_types_as_before")
N, V, H, K = 12, 6, 4, 3  # rows, visible and hidden units, classes


@dataclass(frozen=True)
class Ternary(Unit):
    """States -1, 0 and 1: real numbers for the engine, and yet countable."""

    name: ClassVar[str] = "ternary"
    domain = "real"
    dtype = np.dtype(np.float32)
    exact = False
    constrained: ClassVar[bool] = True

    def mean(self, x: Any) -> Any:
        m = np.exp(-np.abs(x))
        return np.sign(x) * (1 - m * m) / (1 + m + m * m)

    def mode(self, x: Any) -> Any:
        return np.sign(x)

    expectation = mean

    def draw(self, x: Any, uniform: Any) -> Any:
        odds = np.exp(np.stack([-x, 0 * x, x]).astype(np.float64) - np.abs(x))
        below = np.cumsum(odds / odds.sum(axis=0), axis=0)[:2]
        return ((uniform + 0.5) / 2.0**32 > below).sum(axis=0).astype(np.float32) - np.float32(1)

    def log_normalizer_float64(self, x: Any, bias: Any) -> Any:
        return np.logaddexp(np.logaddexp(x, -x), 0).sum(axis=1, dtype=np.float64)

    log_normalizer = log_normalizer_float64

    def energy(self, states: Any, bias: Any) -> Any:
        return -(states @ bias.astype(np.float64))

    def initial_bias(self, rows: Any) -> Any:
        means = moments(rows)[0].astype(np.float32)
        return self.bias_from_means(means), means

    def bias_from_means(self, means: Any) -> Any:
        m = np.clip(means, -0.99, 0.99)
        return np.log((m + np.sqrt(4 - 3 * m * m)) / (2 - 2 * m)).astype(np.float32)

    def count_states(self, n_units: int) -> int:
        return 3**n_units

    def states(self, n_units: int, numbers: Any) -> Any:
        return (numbers[:, None] // 3 ** np.arange(n_units)[::-1] % 3 - 1).astype(np.float32)

    def state_numbers(self, states: Any) -> Any:
        return (states.astype(np.int64) + 1) @ 3 ** np.arange(states.shape[1])[::-1]

    def check_block(self, block: Any, name: str, first_row: int, missing: Any, first_unit: int = 0) -> None:
        if np.abs(block[~missing]).max(initial=0) > 1:
            raise ValueError(f"{name} must hold numbers from -1 to 1 for ternary units")


class Wander(Method):
    """Two Gibbs steps by the model's own walk."""

    k, purpose = 2, Purpose.CD

    def negative_phase(self, model: Any, v: Any, x: Any, chains: Any) -> Any:
        v, _ = model.gibbs(v, self.k)
        return v, model.up.input(v)


UNITS: dict[str, Callable[[int], Any]] = {
    "bernoulli": lambda n: "bernoulli",
    "spin": lambda n: "spin",
    "gaussian": lambda n: "gaussian",
    "relu": lambda n: "relu",
    "drelu": lambda n: "drelu",
    "categorical": lambda n: rf.Categorical(2),
    "binomial": lambda n: rf.Binomial(3),
    "binary blocks": lambda n: rf.Mixed([(rf.Bernoulli(), n - 2), (rf.Categorical(2), 2)]),
    "blocks with spins": lambda n: rf.Mixed([(rf.Spin(), n - 2), (rf.Categorical(2), 2)]),
    "real blocks": lambda n: rf.Mixed([(rf.Bernoulli(), n - 2), (rf.Gaussian(), 2)]),
    "ternary": lambda n: Ternary(),
}
VISIBLE: dict[str, Callable[[int], Any]] = {  # no hidden units, or, but for a number, above
    "counts": lambda n: rf.Counts(3),
    "gaussian of sigma": lambda n: rf.Gaussian(np.linspace(0.5, 3, n)),
    "gaussian, learned": lambda n: rf.Gaussian("learned"),
    "gaussian in float32": lambda n: rf.Gaussian(grid=None),
}
# Each visible type with itself, a neighbour and Bernoulli units; the others meet in the slow tests.
PAIRS = [
    pytest.param(*pair, marks=() if pair[1] == "bernoulli" or (j - i) % len(UNITS) < 2 else pytest.mark.slow)
    for (i, j), pair in zip(product(range(len(UNITS)), repeat=2), product(UNITS, UNITS), strict=True)
]
PAIRS += product(VISIBLE, ("bernoulli", "real blocks"))


@dataclass
class Models:
    """Small models with such units, and rows of their states."""

    visible: Any
    hidden: Any
    path: Path

    def __post_init__(self) -> None:
        self.units = {"visible": self.visible, "hidden": self.hidden}
        self.rbm = self.new(rf.RBM, V)
        self.class_rbm = self.new(rf.ClassRBM, V + K, n_classes=K)
        self.y = np.arange(N) % K
        self.X, self.H = self.rbm.sample(N, steps=3, seed=1, return_hidden=True)
        self.joined = self.class_rbm.join(self.X, self.y)

    @property
    def dbn(self) -> rf.DBN:
        return rf.DBN([V, H, H], **self.units, seed=0)

    @property
    def deep_classifier(self) -> rf.DBN:
        return rf.DBN([V, H, H], **self.units, n_classes=K, seed=0)

    def new(self, kind: Any, n: int, **more: Any) -> Any:
        W = np.random.default_rng(0).normal(scale=0.1, size=(n, H))
        return kind.from_arrays(W, np.zeros(n), np.zeros(H), **self.units, **more)

    def save_and_load(self, model: Any) -> None:
        model.save(self.path)
        twin = rf.load(self.path)
        assert repr(twin) == repr(model)
        assert twin.sample(9, 2, seed=1).tobytes() == model.sample(9, 2, seed=1).tobytes()

    def train(self, **settings: Any) -> rf.History:
        return rf.train(self.rbm, self.X, validation=self.X, **LEARN, **settings)

    def generate(self) -> Any:
        X, context = rf.lagged(self.X, 1)
        crbm = rf.ConditionalRBM(V, H, V, **self.units, context=self.visible, seed=0)
        rf.train(
            crbm, X, context=context, validation=(X, context), monitors=rf.ReconstructionError(), **LEARN
        )
        assert np.isfinite(crbm.free_energy(X, context)).all()
        assert crbm.predict(context, steps=2, seed=1).shape == X.shape
        return crbm.generate(self.X[:5], 2, seed=1, gibbs_steps=2)

    def boltzmann(self) -> Any:
        machine = rf.BoltzmannMachine(V, 2, units=self.visible, seed=0)
        watched = {"validation": self.X, "monitors": [rf.PseudoLikelihood(), rf.WeightNorm()]}
        rf.train(machine, self.X, method=rf.PCD(), **watched, **LEARN)
        assert np.isfinite(rf.log_likelihood(machine, self.X)).all()
        return machine.sample(5, 2, seed=1)

    def deep_machine(self) -> Any:
        dbm = rf.DBM([V, H, H], visible=self.visible, seed=0)
        rf.train(dbm, self.X, validation=self.X, method="pcd", monitors=rf.FreeEnergyGap(), **LEARN)
        self.save_and_load(dbm)
        assert [means.shape for means in dbm.mean_field(self.X)] == [(N, H), (N, H)]
        assert np.isfinite(rf.log_likelihood_bound(dbm, self.X, 3.0, seed=1).tighter)
        assert dbm.energy(self.X, *dbm.gibbs(self.X, seed=1, return_hidden=True)[1]).shape == (N,)
        return dbm.impute(dbm.reconstruct(self.X), np.eye(N, V) > 0, steps=2, seed=1)

    def train_classifier(self, **settings: Any) -> rf.History:
        return rf.train(self.class_rbm, self.joined, validation=self.joined, **LEARN, **settings)


Call = tuple[Callable[..., Any], Any]  # and the shape of its answer, or the name of its type
LEARN: dict[str, Any] = {"epochs": 1, "batch_size": N, "seed": 1}
QUICK: dict[str, Any] = {"n_chains": 4, "n_temperatures": 3, "seed": 1}
SETTINGS: dict[str, dict[str, Any]] = {
    "LogLikelihood": {"n_chains": 2, "n_replicas": 2, "steps": 2},
    "PT": {"n_replicas": 2},
    "SGD": {"rate": 0.1},
    "Adam": {"rate": 0.01},
    "MaxNorm": {"limit": 1.0},
    "SparsityTarget": {"target": 0.1},
}
KINDS: dict[str, tuple[Callable[[Models], tuple[Any, Any]], int]] = {
    "RBM": (lambda m: (m.rbm, m.X), V),
    "ClassRBM": (lambda m: (m.class_rbm, m.joined), V + K),
    "DBN": (lambda m: (m.deep_classifier, m.X), V),
}


def of_model(n: int) -> dict[str, Call]:
    """What is asked of a model r, by its rows X of n units."""
    return {
        "from_state": (lambda r, X, m: type(r).from_state(*r.to_state()).parameters(), "dict"),
        "to_state": (lambda r, X, m: r.to_state(), "tuple"),
        "parameters": (lambda r, X, m: r.parameters(), "dict"),
        "save": (lambda r, X, m: m.save_and_load(r), "NoneType"),
        "initialize": (lambda r, X, m: r.initialize(X), "NoneType"),
        "energy": (lambda r, X, m: r.energy(X, m.H), (N,)),
        "free_energy": (lambda r, X, m: r.free_energy(X), (N,)),
        "zero_sum_gauge": (lambda r, X, m: r.zero_sum_gauge().free_energy(X), (N,)),
        "hidden_probabilities": (lambda r, X, m: r.hidden_probabilities(X), (N, H)),
        "transform": (lambda r, X, m: r.transform(X), (N, H)),
        "visible_probabilities": (lambda r, X, m: r.visible_probabilities(m.H), (N, n)),
        "sample_hidden": (lambda r, X, m: r.sample_hidden(X, seed=1), (N, H)),
        "sample_visible": (lambda r, X, m: r.sample_visible(m.H, seed=1), (N, n)),
        "gibbs": (lambda r, X, m: r.gibbs(X, 2, seed=1), (N, n)),
        "sample": (lambda r, X, m: r.sample(5, 2, seed=1), (5, n)),
        "reconstruct": (lambda r, X, m: r.reconstruct(X), (N, n)),
        "impute": (lambda r, X, m: r.impute(X, np.eye(N, n) > 0, steps=2, seed=1), (N, n)),
        "pattern_counts": (lambda r, X, m: r.pattern_counts(h=m.H[0], seed=1), "PatternCounts"),
        "join": (lambda r, X, m: r.join(m.X, m.y).block(slice(None)), (N, n)),
        "predict": (lambda r, X, m: r.predict(m.X), (N,)),
        "class_log_probabilities": (lambda r, X, m: r.class_log_probabilities(m.X), (N, K)),
        "predict_log_proba": (lambda r, X, m: r.predict_log_proba(X), (N, K)),
        "add_layer": (lambda r, X, m: m.dbn.add_layer(2, seed=1), "NoneType"),
        "from_rbms": (lambda r, X, m: r.from_rbms(r.generative), "DBN"),
        "untie": (lambda r, X, m: r.untie(), "NoneType"),
        "to_network": (lambda r, X, m: r.to_network(K, seed=1), "Network"),
    }


def public(owner: Any, base: type = object) -> list[str]:
    """Names of what can be called; of classes below a base, if one is given."""
    names = getattr(owner, "__all__", None) or [name for name in dir(owner) if name[0] != "_"]
    found = {name: getattr(owner, name) for name in names}
    if base is not object:
        return [n for n, one in found.items() if inspect.isclass(one) and issubclass(one, base)]
    return [name for name, one in found.items() if inspect.isroutine(one)]


def made(base: type, **own: Any) -> dict[str, Any]:
    """One of each public class below `base`."""
    return {name: getattr(rf, name)(**SETTINGS.get(name, {})) for name in public(rf, base)} | own


def together(option: str, ones: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """A run with all of them, and one with each that may refuse."""
    runs = {name: {option: one} for name, one in ones.items() if name in PICKY}
    return {option: {option: [one for name, one in ones.items() if name not in runs]}} | runs


PICKY = ("SaturatedUnits", "DeadUnits", "ClassificationError", "SparsityTarget")
METHODS = {name: {"method": method} for name, method in made(Method, Wander=Wander()).items()}
RUNS = {
    **METHODS,
    **together("monitors", made(Monitor)),
    **together("penalties", made(BuiltIn)),
    **{name: {"optimizer": optimizer} for name, optimizer in made(Optimizer).items()},
}
RUNS_OF_CLASSES = METHODS | {"ClassificationError": {"monitors": rf.ClassificationError()}}


ANSWERS: dict[str, Call] = {
    **{
        f"{kind}.{name}": (lambda m, of=of, ask=ask: ask(*of(m), m), promise)
        for kind, (of, n) in KINDS.items()
        for name, (ask, promise) in of_model(n).items()
        if name in public(getattr(rf, kind))
    },
    **{
        f"{kind} with {name}": (lambda m, kind=kind, given=given: getattr(m, kind)(**given), "History")
        for kind, runs in (("train", RUNS), ("train_classifier", RUNS_OF_CLASSES))
        for name, given in runs.items()
    },
    "RBM.from_arrays": (lambda m: m.new(rf.RBM, V), "RBM"),
    "ClassRBM.from_arrays": (lambda m: m.new(rf.ClassRBM, V + K, n_classes=K), "ClassRBM"),
    "DBN.sample of labels": (lambda m: m.deep_classifier.sample(5, 2, seed=1, labels=[0] * 5), (5, V)),
    "DBN.to_autoencoder": (lambda m: m.dbn.to_autoencoder(), "Network"),
    "ParallelTempering": (lambda m: rf.ParallelTempering(m.rbm, 2, 3, seed=1).run(2), (2, V)),
    "lagged": (lambda m: m.generate(), (5, 2, V)),
    "sequence_weights": (lambda m: rf.sequence_weights(m.y[:, None]), (N,)),
    "DBM": (lambda m: m.deep_machine(), (N, V)),
    "train": (lambda m: m.train(centered=True, sample_weight=np.ones(N)), "History"),
    "find_rate": (lambda m: rf.find_rate(m.rbm, m.X, validation=m.X, rates=[0.01], **LEARN), "FoundRate"),
    "pretrain": (lambda m: rf.pretrain(m.dbn, m.X, **LEARN), "list"),
    "up_down": (lambda m: rf.up_down(m.dbn, m.X, **LEARN), "History"),
    "up_down of labels": (lambda m: rf.up_down(m.deep_classifier, m.X, m.y, **LEARN), "History"),
    "fine_tune": (lambda m: rf.fine_tune(m.dbn.to_network(K), m.X, m.y, **LEARN), "History"),
    "load": (lambda m: m.save_and_load(m.dbn), "NoneType"),
    "log_partition": (lambda m: rf.log_partition(m.rbm), "LogPartition"),
    "log_partition, ais": (lambda m: rf.log_partition(m.rbm, "ais", **QUICK), "LogPartition"),
    "log_partition, bracket": (
        lambda m: rf.log_partition(m.rbm, "bracket", samples=m.X[:4], **QUICK),
        "LogPartition",
    ),
    "log_likelihood": (lambda m: rf.log_likelihood(m.rbm, m.X), (N,)),
    "mean_log_likelihood": (lambda m: rf.mean_log_likelihood(m.rbm, m.X, 3.0), "MeanLogLikelihood"),
    "log_likelihood_bound": (
        lambda m: rf.log_likelihood_bound(m.dbn, m.X, 3.0, seed=1),
        "LogLikelihoodBound",
    ),
    "conservative_log_likelihood": (lambda m: rf.conservative_log_likelihood(m.rbm, m.X, **QUICK), (N,)),
    "boltzmann": (lambda m: m.boltzmann(), (5, V)),
    "pseudo_likelihood": (lambda m: rf.pseudo_likelihood(m.rbm, m.X), (N,)),
    "chain_diagnostics": (
        lambda m: rf.chain_diagnostics(m.class_rbm, m.joined, n_chains=2, steps=8, warm_up=0, seed=1),
        "ChainDiagnostics",
    ),
    "compare_samples": (lambda m: rf.compare_samples(m.rbm, m.X, m.X), "SampleComparison"),
    "exact_gradient": (lambda m: likelihood.exact_gradient(m.rbm, m.X), "ExactGradient"),
    "exact_moments": (lambda m: likelihood.exact_moments(m.rbm), "Moments"),
    "exact_samples": (lambda m: likelihood.exact_samples(m.rbm, 5, seed=1), (5, V)),
    "log_probabilities": (lambda m: likelihood.log_probabilities(m.rbm), "ndarray"),
    "kl_divergence": (lambda m: likelihood.kl_divergence(m.X, m.rbm), "float"),
}
NO_UNITS = {
    *("set_num_threads", "get_num_threads", "show_config", "get_include", "all_states", "autocorrelations"),
    *("autocorrelation_time", "effective_sample_size", "split_r_hat"),
}
CHOOSY = {  # that answer for Bernoulli units, and may refuse others
    *("RBM.pattern_counts", "ClassRBM.pattern_counts", "DBN.to_network", "DBN.to_autoencoder", "fine_tune"),
    "boltzmann",
    *("train with UnbiasedCD", *(f"train with {name}" for name in PICKY)),
}
OF_STATES = {"log_probabilities", "kl_divergence"}  # where those of the visible layer cannot be counted
EXACT = {  # where those of neither layer can, nor are all units Gaussian
    *("log_partition", "log_likelihood", "exact_samples", "exact_gradient", "exact_moments"),
}
LEARN_W_A_B = {"train_classifier with Discriminative", "train_classifier with Hybrid"}  # and nothing else
REFUSED = {  # whatever the units are
    *("train with Discriminative", "train with Hybrid", "train with ClassificationError"),
    "train_classifier with UnbiasedCD",
    *(f"{kind} with MaximumPseudoLikelihood" for kind in ("train", "train_classifier")),
}


def refusal(name: str, models: Models) -> str | None:
    """What is said where a function refuses; None where it gives the answer that it promises."""
    ask, promise = ANSWERS[name]
    try:
        found = ask(models)
    except (TypeError, ValueError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        assert "rbmfast" in frame.filename and str(frame.line).startswith("raise "), f"{name}: {error!r}"
        assert re.fullmatch(".*(units|rf.ClassRBM|rf.BoltzmannMachine|0/1 states).*", str(error)), (
            f"{name}: {error}"
        )
        return str(error)
    assert promise in (np.shape(found), type(found).__name__), name
    return None


def test_every_public_function_is_here() -> None:
    methods = {f"{kind}.{name}" for kind in ("RBM", "ClassRBM", "DBN") for name in public(getattr(rf, kind))}
    assert methods | {*public(rf), *public(likelihood)} <= ANSWERS.keys() | NO_UNITS
    known = {type(rf.units.get_unit(make(V))) for make in (UNITS | VISIBLE).values()}
    assert known | {rf.units.Pooled} >= {*rf.units.UNITS.values()}  # of ConvRBM, with its own tests


@pytest.mark.filterwarnings("ignore:.*do not trust it", "ignore:X is constant", "ignore:X. ")
@pytest.mark.parametrize(("visible", "hidden"), PAIRS)
def test_every_function(visible: str, hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rbmfast.units.drelu.HALVINGS", 20)  # a rough bias will do here
    rf.units.register(Ternary)
    models = Models((UNITS | VISIBLE)[visible](V), UNITS[hidden](H), tmp_path / "model")
    refused = {name for name in ANSWERS if refusal(name, models) is not None}
    assert refused >= REFUSED
    assert refused <= REFUSED | may_refuse(models.rbm)


def may_refuse(rbm: rf.RBM) -> set[str]:
    """What may refuse such units."""
    layers = (rbm.visible, rbm.n_visible), (rbm.hidden, rbm.n_hidden)
    countable = [unit.count_states(n) is not None for unit, n in layers]
    solved = any(countable) or all(unit.are_normal(n).all() for unit, n in layers)
    plain = all(unit == rf.Bernoulli() for unit, _ in layers)
    choosy = set() if plain else CHOOSY
    if rbm.parameters().keys() > set("Wab"):
        choosy = choosy | LEARN_W_A_B
    if rbm.visible.bias_factor(rbm.visible.off(rbm.n_visible)[None]) is not None:
        choosy = choosy | {"lagged"}  # no counts of words in a context
    return choosy | (set() if countable[0] else OF_STATES) | (set() if solved else EXACT)


# --- Beyond functions --------------------------------------------------------------------------------------


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ternary states, beside files of them and of their classes."""
    rf.units.register(Ternary)
    monkeypatch.chdir(tmp_path)
    X, y = np.random.default_rng(0).integers(-1, 2, (40, V)).astype(np.float32), np.arange(40) % K
    np.savez("data.npz", X=X, y=y)
    return X, y


def test_a_method_of_ones_own_in_every_run(rows: Any) -> None:
    X, y = rows
    settings: dict[str, Any] = {"method": Wander(), "optimizer": 0.1, "batch_size": 20, "seed": 1}
    for begun, done in ((1, 2), (0, 2)):
        rbm = rf.RBM(V, H, visible="ternary", seed=0)
        rf.train(rbm, X, epochs=begun, checkpoint=f"{begun}.ckpt", **settings)
        rf.train(rbm, X, epochs=done, resume=f"{begun}.ckpt", **settings)
        rbm.save(f"{begun}.rbm")
    assert Path("0.rbm").read_bytes() == Path("1.rbm").read_bytes()
    dbn = rf.DBN([V, H, H], visible="ternary", n_classes=K, seed=0)
    rf.pretrain(dbn, X, y, epochs=1, **settings)
    rf.up_down(dbn, X, y, epochs=1, **settings)


def test_a_unit_type_of_ones_own_at_the_command_line(rows: Any, capsys: pytest.CaptureFixture[str]) -> None:
    short = ["--temperatures", "20", "--samples", "20", "--steps", "16", "--conservative", "10"]
    for kind, hidden in (("rbm", "4"), ("class-rbm", "4"), ("dbn", "4,4")):
        labels = [] if kind == "rbm" else ["--labels", "y"]
        model = ["--model", kind, "--hidden", hidden, "--visible", "ternary", "--epochs", "1"]
        assert main(["train", "data.npz", "-o", kind, *model, *labels]) == 0
        assert "visible='ternary'" in repr(rf.load(kind))
        assert main(["evaluate", kind, "data.npz", *labels, *(short if kind == "rbm" else [])]) == 0
        assert main(["sample", kind, "-n", "3", "-o", "samples.npy"]) == 0
    assert main(["train", "data.npz", "-o", "x", "--visible", "unheard"]) == 2
    assert "choose from bernoulli, spin, gaussian, relu, drelu, counts, ternary" in capsys.readouterr().err


def test_a_unit_type_of_ones_own_in_estimators(rows: Any) -> None:
    X, y = rows
    settings: dict[str, Any] = {"visible": "ternary", "n_iter": 1, "random_state": 0}
    for estimator in (
        sklearn.ClassRBM(4, **settings),
        sklearn.DBNTransformer((4, 4), **settings),
        sklearn.DBNClassifier((4, 4), fine_tuning_n_iter=1, **settings),
    ):
        found: Any = estimator.fit(X, y)
        assert found.visible_ == "ternary" and found.mean_ is None
        assert len(found.predict(X) if hasattr(found, "predict") else found.transform(X)) == 40
        for wrong in ("unheard", Ternary()):
            with pytest.raises(ValueError, match="visible"):
                found.set_params(visible=wrong).fit(X, y)
