"""The command line: what it does, what it writes, and that every error is one line."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import FAST, LEVELS, X, bits, default_signal, evaluated, fails, files, run, sketches, start

import rbmfast as rf
from rbmfast import bench
from rbmfast.cli import bench as bench_command
from rbmfast.cli import main
from rbmfast.cli.output import write_json
from rbmfast.cli.stopping import SIGNALS
from rbmfast.training import recipe
from rbmfast.training import run as run_module

__all__ = ["files", "sketches"]
pytestmark = pytest.mark.usefixtures("files")

TRAIN = ["train", "bits.npy", "-o", "m.rbm", *FAST]


# --- The command itself ------------------------------------------------------------------------------------


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    run("--version")
    assert capsys.readouterr().out == f"rbmfast {rf.__version__}\n"
    for command in ([], ["demo"], ["train"], ["evaluate"], ["sample"], ["info"], ["bench"]):
        run(*command, "--help")
        text = capsys.readouterr().out
        assert "\nexamples:\n  rbmfast " in text
        assert max(map(len, text.splitlines())) <= 110


def test_signals_and_threads_are_left_as_they_were() -> None:
    signals, threads = [signal.getsignal(number) for number in SIGNALS], rf.get_num_threads()
    run(*TRAIN, "--threads", str(threads + 1))
    assert [signal.getsignal(number) for number in SIGNALS] == signals
    assert rf.get_num_threads() == threads


needs_posix = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and pipes")
ENDLESS = ["train", "bits.npy", "-o", "m.rbm", "--epochs", "50000"]


@needs_posix
@pytest.mark.parametrize(
    ("name", "status", "said"),
    [
        ("SIGINT", 130, "interrupted"),
        ("SIGTERM", 143, "ended by SIGTERM"),
        pytest.param("SIGHUP", 129, "ended by SIGHUP", marks=pytest.mark.slow),
    ],
)
def test_what_was_learned_is_saved_at_a_signal(name: str, status: int, said: str) -> None:
    """Schedulers send SIGTERM, more than once at times; closed terminals SIGHUP. The second layer learns."""
    number = getattr(signal, name)
    argv = [
        *ENDLESS,
        "--model",
        "dbn",
        "--hidden",
        "6,5",
        "--epochs",
        "1,10000000",
        "--checkpoint",
        "run.ckpt",
    ]
    process = start(*argv, stdout=subprocess.DEVNULL, preexec_fn=default_signal(number))
    while process.poll() is None and not Path("run.ckpt.1").exists():
        time.sleep(0.01)
    process.send_signal(number)
    if name != "SIGINT":
        process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == status
    assert error == f"rbmfast: {said}: wrote m.rbm as learned so far; go on with --resume run.ckpt\n"
    assert not rf.load("m.rbm").generative[0].is_untouched


@needs_posix
def test_what_was_learned_is_saved_when_nobody_reads_on() -> None:
    """``rbmfast train ... | head``."""
    process = start(*ENDLESS, stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    while not process.stdout.readline().startswith("epoch 1/"):
        assert process.poll() is None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == ""
    process.stderr.close()
    assert not rf.load("m.rbm").is_untouched


def test_as_a_process() -> None:
    process = start("info", stdout=subprocess.PIPE)
    output, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    assert output.startswith(f"rbmfast         {rf.__version__}")


@needs_posix
def test_what_is_printed_can_go_nowhere() -> None:
    """To a pipe that nobody reads, or a disk that is full."""
    reader, closed = os.pipe()
    os.close(reader)
    cases = {closed: (141, "")}
    if os.path.exists("/dev/full"):
        cases[os.open("/dev/full", os.O_WRONLY)] = (2, "rbmfast: error: No space left on device\n")
    for out, expected in cases.items():
        process = start("info", stdout=out)
        os.close(out)
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error) == expected


def full_disk(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """From now on, there is no room for files in folders of these names."""
    replace = os.replace

    def full(source: str, target: str) -> None:
        if Path(target).parent.name in names:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), source, None, target)
        replace(source, target)

    for name in names:
        Path(name).mkdir()
    Path("home").mkdir()
    monkeypatch.setenv("HOME", str(Path("home").absolute()))
    monkeypatch.setenv("USERPROFILE", str(Path("home").absolute()))
    monkeypatch.setattr("os.replace", full)


def test_a_full_disk_loses_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(*TRAIN)
    full_disk(monkeypatch, "full")
    error = fails(capsys, *TRAIN, "-o", "full/m.rbm")
    (place,) = Path("home").absolute().glob("*/m.rbm")
    assert error == f"rbmfast: error: full/m.rbm: No space left on device; wrote {place} instead\n"
    assert bits(str(place)) == bits("m.rbm")
    for name in ("s.npy", "s.npz"):
        error = fails(capsys, "sample", "m.rbm", "-n", "3", "--steps", "1", "-o", f"full/{name}")
        (place,) = Path("home").absolute().glob(f"*/{name}")
        assert error == f"rbmfast: error: full/{name}: No space left on device; wrote {place} instead\n"
    assert not [*Path("full").iterdir()]


def test_a_full_disk_keeps_the_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    argv = ["train", "bits.npy", *FAST, "--checkpoint", "run.ckpt"]
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.mkdtemp", lambda **_: "/none")
        full_disk(patch, "full")
        error = fails(capsys, *argv, "-o", "full/m.rbm")
        assert error.endswith("full/m.rbm: No space left on device; go on with --resume run.ckpt\n")
        assert fails(capsys, *argv[:-2], "-o", "full/m.rbm").endswith("; it is lost\n")
    run(*argv, "-o", "m.rbm", "--resume", "run.ckpt")
    run(*argv, "-o", "whole.rbm")
    assert bits("m.rbm") == bits("whole.rbm")


def test_no_room_for_a_checkpoint(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch, "full")
    argv = ["train", "bits.npy", *FAST, "-o", "m.rbm", "--checkpoint", "full/run.ckpt"]
    assert "full/run.ckpt: No space left on device" in fails(capsys, *argv)
    assert not Path("m.rbm").exists()  # nothing was learned

    save, count = run_module.write_file, itertools.count()

    def full_in_the_end(*arguments: Any) -> None:
        if next(count) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), arguments[0])
        save(*arguments)

    monkeypatch.setattr(run_module, "write_file", full_in_the_end)
    assert main([*argv[:-1], "run.ckpt"]) == 2
    said = capsys.readouterr().err
    assert said == (
        "rbmfast: warning: wrote m.rbm as learned so far; go on with --resume run.ckpt\n"
        "rbmfast: error: run.ckpt: No space left on device\n"
    )
    assert not rf.load("m.rbm").is_untouched


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    run(*TRAIN, "--rate", "1e7", "--no-centered", "--l2", "0")
    error = capsys.readouterr().err
    assert error.startswith("rbmfast: warning: the weights have become large")
    assert error.count("\n") == 1


def test_json_without_nan() -> None:
    write_json("x.json", {"a": float("nan"), "b": [1.5, float("inf")], "c": "text"})
    assert json.loads(Path("x.json").read_text()) == {"a": None, "b": [1.5, None], "c": "text"}


# --- train -------------------------------------------------------------------------------------------------


def test_settings_reach_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        *("--method", "pcd", "-k", "2", "--chains", "7", "--rate", "0.1", "--rate-schedule", "linear"),
        *("--momentum", "0.8", "--l1", "1e-5", "--l2", "1e-3", "--max-norm", "4", "--sparsity", "0.2"),
        *("--centered", "--shuffle", "none", "--seed", "3", "--threads", "1"),
        *("--average", "0", "--block-l1", "0.1"),
    ]
    run(*TRAIN, *options)
    rbm = rf.RBM(16, 5, seed=3)
    rf.train(
        rbm,
        X,
        method=rf.PCD(k=2, n_chains=7),
        optimizer=rf.SGD(rf.Linear(0.1), momentum=0.8),
        penalties=[rf.L1(1e-5), rf.L2(1e-3), rf.MaxNorm(4.0), rf.SparsityTarget(0.2), rf.BlockL1(0.1)],
        centered=True,
        epochs=2,
        batch_size=20,
        shuffle=False,
        seed=3,
        callbacks=rf.Average(0),
    )
    rbm.save("expected.rbm")
    assert bits("m.rbm") == bits("expected.rbm")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[2:4]] == ["epoch 1/2", "epoch 2/2"]
    assert "reconstruction error 0." in lines[2]
    assert "samples/s" in lines[4]
    assert lines[5] == "wrote m.rbm"


@pytest.mark.parametrize(
    "options, optimizer",
    [
        ("", None),
        ("--rate-schedule constant --rate 0.2", rf.SGD(0.2, momentum=recipe.MOMENTUM)),
        ("--clip 0.5", rf.SGD(rf.Linear(recipe.RATE), recipe.MOMENTUM, clip=0.5)),
        ("--optimizer adam", rf.Adam(rf.Linear(0.001))),
        ("--optimizer adam --rate 0.02 --rate-schedule linear --clip 1", rf.Adam(rf.Linear(0.02), clip=1.0)),
        ("--optimizer cosine --rate-schedule constant", rf.Cosine()),
    ],
)
def test_optimizers(options: str, optimizer: Any) -> None:
    run(*TRAIN, *options.split())
    rbm = rf.RBM(16, 5, seed=0)
    rf.train(rbm, X, optimizer=optimizer, epochs=2, batch_size=20, seed=0)
    rbm.save("expected.rbm")
    assert bits("m.rbm") == bits("expected.rbm")


def test_the_rate_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("held_out.npy", X[::2])
    run(*TRAIN, "--find-rate", "--validation", "held_out.npy", "--rate-schedule", "linear", "--seed", "3")
    rbm, settings = rf.RBM(16, 5, seed=3), {"batch_size": 20, "seed": 3}
    found = rf.find_rate(rbm, X, validation=X[::2], optimizer=rf.SGD(momentum=0.5), **settings)
    assert str(found) in capsys.readouterr().out
    rf.train(rbm, X, optimizer=rf.SGD(rf.Linear(found.rate), momentum=0.5), epochs=2, **settings)
    rbm.save("expected.rbm")
    assert bits("m.rbm") == bits("expected.rbm")
    assert "--find-rate needs --validation" in fails(capsys, *TRAIN, "--find-rate")
    dbm = ["--model", "dbm", "--hidden", "4,3", "--find-rate", "--validation", "0.1"]
    assert "--find-rate is an option of --model rbm" in fails(capsys, *TRAIN, *dbm)


def test_spins(capsys: pytest.CaptureFixture[str]) -> None:
    """-1 and +1, or what is thresholded, as the library has it; and the numbers are about spins."""
    spins = np.where(X, 1, -1).astype(np.int8)
    np.save("spins.npy", spins)
    learn = [*FAST, "--visible", "spin", "--seed", "2"]
    run("train", "levels.npy", "--threshold", "127", "-o", "same.rbm", *learn)
    run("train", "spins.npy", "-o", "m.rbm", *learn)
    assert bits("m.rbm") == bits("same.rbm")
    rbm = rf.load("m.rbm")
    chains = ["--method", "ais", "--chains", "20", "--base-data", "spins.npy"]
    found = evaluated("m.rbm", "spins.npy", *SHORT, *chains)
    error = ((spins - rbm.reconstruct(spins)) ** 2).mean()
    assert found["reconstruction_error"] == pytest.approx(error, rel=1e-5)
    z = rf.log_partition(rbm, "ais", n_chains=20, n_temperatures=200, base=spins.mean(axis=0), seed=0)
    assert found["log_z"]["value"] == pytest.approx(z.value)
    assert "say --threshold X" in fails(capsys, "train", "levels.npy", "-o", "n", *learn)


def test_validation(capsys: pytest.CaptureFixture[str]) -> None:
    run(*TRAIN)
    run(*TRAIN, "-o", "watched.rbm", "--validation", "bits.npy")
    assert "validation 0." in capsys.readouterr().out
    assert bits("watched.rbm") == bits("m.rbm")  # watching changes nothing

    models = {}
    for name in ("bits.npy", "sparse.npz"):
        run("train", name, "-o", "m.rbm", *FAST, "--validation", "0.25")
        text = capsys.readouterr().out
        assert "45 rows of 16" in text
        assert "15 rows of 16" in text
        models[name] = bits("m.rbm")
    assert len({*models.values()}) == 1


@pytest.mark.parametrize("method", ["cd", "pcd", "fpcd", "pt", "ptt"])
def test_resume_equals_never_stopping(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["train", "bits.npy", "--hidden", "5", "--method", method, "--batch-size", "20"]
    common += ["--rate-schedule", "constant", "-o"]
    run(*common, "whole.rbm", "--epochs", "5")
    run(*common, "part.rbm", "--epochs", "2", "--checkpoint", "run.ckpt")
    run(*common, "rest.rbm", "--epochs", "5", "--resume", "run.ckpt")
    assert bits("rest.rbm") == bits("whole.rbm") != bits("part.rbm")
    capsys.readouterr()
    message = fails(capsys, *common, "no.rbm", "--epochs", "5", "--resume", "run.ckpt", "--rate", "0.3")
    assert "resume: optimizer is" in message

    run("info", "run.ckpt")
    assert "checkpoint      of a training run, after 2 epochs and 6 updates" in capsys.readouterr().out
    assert "holds no model but a checkpoint" in fails(capsys, "sample", "run.ckpt")


def test_plots_of_images_and_of_tables(sketches: None, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("wide.npy", np.concatenate([LEVELS, LEVELS], axis=2))
    run("train", "wide.npy", "-o", "m.rbm", "--threshold", "99", *FAST, "--plots", "a/b")
    names = sorted(path.name for path in Path("a/b").iterdir())
    assert names == ["filters.png", "learning_curves.png", "reconstructions.png", "samples.png"]

    np.save("table.npy", LEVELS.reshape(60, 16)[:, :6])
    table = ["train", "table.npy", "-o", "m.rbm", "--grey", *FAST, "--plots", "c"]
    capsys.readouterr()
    run(*table)
    assert [path.name for path in Path("c").iterdir()] == ["learning_curves.png"]
    assert "say --shape HxW" in capsys.readouterr().out
    run(*table, "--shape", "2x3")
    assert Path("c/filters.png").exists()


# --- sample and info ---------------------------------------------------------------------------------------


def test_train_info_sample_round_trip(capsys: pytest.CaptureFixture[str]) -> None:
    run(*TRAIN)
    capsys.readouterr()
    run("info", "m.rbm")
    text = capsys.readouterr().out
    assert text.startswith("model           RBM(16, 5)\nvisible units   16 bernoulli\n")
    assert "trained or assigned" in text

    run("sample", "m.rbm", "-n", "9", "--steps", "20", "--seed", "4")
    assert capsys.readouterr().out.startswith("wrote samples.npy: 9 x 16, uint8, mean 0.")
    expected = rf.load("m.rbm").sample(9, steps=20, seed=4)
    assert np.array_equal(np.load("samples.npy"), expected)
    run("sample", "m.rbm", "-n", "9", "--steps", "20", "--seed", "4", "-o", "again.npy")
    assert Path("again.npy").read_bytes() == Path("samples.npy").read_bytes()


def test_samples_as_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    rf.RBM(12, 3, seed=0).save("m.rbm")
    command = ["sample", "m.rbm", "-n", "4", "--steps", "2", "--png"]
    pytest.importorskip("matplotlib")
    assert "12 pixels are no square" in fails(capsys, *command, "s.png")
    assert "must end in .png" in fails(capsys, *command, "s.jpg")
    run(*command, "s.png", "--shape", "3x4")
    assert Path("s.png").read_bytes().startswith(b"\x89PNG")


def test_info_of_models_made_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    visible = rf.Mixed([(rf.Bernoulli(), 4), (rf.Categorical(3), 6)])
    for model, words in (
        (rf.RBM(4, 2, visible="gaussian", seed=12), ["new, never trained", "initial seed    12"]),
        (
            rf.RBM(10, 4, visible=visible, hidden=rf.Categorical(2), seed=12),
            ["visible units   10 mixed (4 bernoulli, 6 categorical of 3)\n", "units    4 categorical of 2\n"],
        ),
        (rf.Network([rf.Dense.new(4, 2, "softmax", seed=0)]), ["outputs         2 softmax"]),
    ):
        model.save("m")
        run("info", "m")
        text = capsys.readouterr().out
        assert all(word in text for word in words), text
    message = fails(capsys, "sample", "m")
    assert "m: holds Network([Dense(4, 2, 'softmax')]), which has no samples" in message


# --- evaluate ----------------------------------------------------------------------------------------------

SHORT = ["--samples", "50", "--steps", "40", "--temperatures", "200", "--threads", "1"]
EVALUATE = ["m.rbm", "bits.npy", *SHORT]


def write_model(n_hidden: int = 5, **units: str) -> rf.RBM:
    rng = np.random.default_rng(3)
    arrays = (0.4 * rng.normal(size=(16, n_hidden)), np.zeros(16), np.zeros(n_hidden))
    rbm = rf.RBM.from_arrays(*arrays, **units)
    rbm.save("m.rbm")
    return rbm


def lines_of(text: str) -> dict[str, list[str]]:
    """The table, by names of lines: value, interval and note in words."""
    lines = [line for line in text.splitlines() if line[22:23] == " "]
    return {line[:21].strip(): line[21:].split() for line in lines}


def test_evaluate_with_an_exact_log_z(capsys: pytest.CaptureFixture[str]) -> None:
    rbm = write_model()
    found = evaluated(*EVALUATE)
    output = capsys.readouterr()
    assert output.out.startswith("model: m.rbm: RBM(16, 5); ")
    assert output.out.endswith("wrote e.json\n")
    table = lines_of(output.out)
    assert table["rows"] == ["60", "of", "16", "binary", "values"]
    assert table["log Z"][1:] == ["nats,", "exact"]
    assert {"effective chains", "reverse - forward"} & table.keys() == set()

    z = rf.log_partition(rbm)
    assert found["log_z"]["value"] == z.value
    assert found["free_energy"]["mean"] == pytest.approx(rbm.free_energy(X).mean())
    assert found["pseudo_likelihood"]["mean"] == pytest.approx(rf.pseudo_likelihood(rbm, X).mean())
    assert found["reconstruction_error"] == pytest.approx(((X - rbm.reconstruct(X)) ** 2).mean(), rel=1e-5)
    assert found["log_likelihood"]["value"] == pytest.approx(rf.log_likelihood(rbm, X, z).mean())
    assert found["conservative_log_likelihood"]["n_rows"] == 60
    for name in ("free_energy", "pseudo_likelihood", "conservative_log_likelihood"):
        assert found[name]["stderr"] > 0
    assert table["mean log-likelihood"][0] == f"{found['log_likelihood']['value']:.2f}"
    warned = [line.removeprefix("rbmfast: warning: ") for line in output.err.splitlines()]
    assert warned == found["warnings"]


def test_the_conservative_estimate_is_of_all_rows(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever rows are chosen, free energies carry it over to all: it errs by little, however few."""
    rbm = write_model()
    exact = rf.log_likelihood(rbm, X).mean()
    for seed in ("1", "2"):
        argv = ["--conservative", "5", "--seed", seed, "--temperatures", "2000"]
        conservative = evaluated(*EVALUATE, *argv)["conservative_log_likelihood"]
        assert conservative["n_rows"] == 5
        assert abs(conservative["mean"] - exact) < 0.2
    run("evaluate", *EVALUATE, "--conservative", "0")
    assert "conservative estimate" not in capsys.readouterr().out.split("wrote")[-1]


def test_what_can_be_enumerated_is_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    np.save("few.npy", np.eye(32)[:8])
    for n_hidden, units, method in (
        (6, {"hidden": rf.Categorical(3)}, "exact"),
        (6, {"visible": "gaussian", "hidden": "gaussian"}, "exact"),
        (24, {}, "ais,"),
        (30, {}, "ais,"),
    ):
        rf.RBM(32, n_hidden, seed=0, **units).save("m.rbm")
        chains = ["--chains", "20"] if method == "ais," else []
        run("evaluate", "m.rbm", "few.npy", *SHORT, *chains)
        assert method in lines_of(capsys.readouterr().out)["log Z"]
    assert "30" in fails(capsys, "evaluate", "m.rbm", "few.npy", *SHORT, "--method", "exact")


@pytest.mark.parametrize("method", ["ais", "bracket"])
def test_evaluate_by_annealing(method: str, capsys: pytest.CaptureFixture[str]) -> None:
    rbm = write_model()
    argv = [*EVALUATE, "--method", method, "--chains", "50"]
    found = evaluated(*argv)
    table = lines_of(capsys.readouterr().out)
    words = " ".join(table["log Z"])
    assert words.endswith(f"nats, {method}, 50 chains of 200 steps")
    value, low, high = (float(word) for word in table["log Z"][:3])
    assert low < value < high
    assert table["effective chains"][1:] == ["of", "50"]
    assert ("reverse - forward" in table) == (method == "bracket")

    z = rf.log_partition(rbm, method, n_chains=50, n_temperatures=200, seed=0)
    assert found["log_z"]["value"] == z.value
    assert found["log_z"]["lower"] < rf.log_partition(rbm).value < found["log_z"]["upper"]
    assert found["log_likelihood"]["lower"] < found["log_likelihood"]["upper"]
    assert ("reverse" in found["log_z"]) == (method == "bracket")

    again = evaluated(*argv, "--threads", str(rf.get_num_threads() + 1))
    assert again["log_z"] == found["log_z"]
    assert again["conservative_log_likelihood"] == found["conservative_log_likelihood"]


def test_a_trajectory_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """If asked for: `evaluate` then goes along it unasked, where log Z cannot be exact."""
    learn = ["train", "bits.npy", "--hidden", "30", "--method", "ptt", "--epochs", "2", "-o", "m.rbm"]
    run(*learn, "--trajectory")
    assert "log likelihood" in capsys.readouterr().out
    found = evaluated(*EVALUATE, "--method", "trajectory")
    words = " ".join(lines_of(capsys.readouterr().out)["log Z"])
    assert words.endswith("nats, along its trajectory")
    assert found["log_z"]["method"] == "trajectory"
    assert found["log_z"]["lower"] < rf.log_partition(rf.load("m.rbm")).value < found["log_z"]["upper"]
    assert "a trajectory has its own" in fails(
        capsys, "evaluate", "m.rbm", "bits.npy", "--method", "trajectory", "--chains", "5"
    )
    run(*learn)
    assert "has none; rbmfast train --method ptt --trajectory keeps one" in fails(
        capsys, "evaluate", "m.rbm", "bits.npy", "--method", "trajectory"
    )
    assert "--trajectory is an option of --method ptt" in fails(
        capsys, "train", "bits.npy", "-o", "m.rbm", "--trajectory"
    )


def test_evaluate_grey_levels_and_real_values(capsys: pytest.CaptureFixture[str]) -> None:
    write_model()
    assert "say --threshold X" in fails(capsys, "evaluate", "m.rbm", "levels.npy")
    found = evaluated("m.rbm", "levels.npy", *SHORT, "--grey")
    table = lines_of(capsys.readouterr().out)
    assert table["mean log-likelihood"][0] == "none"
    assert "log pseudo-likelihood" in table
    assert found["log_likelihood"] is None
    assert found["conservative_log_likelihood"] is None

    np.save("real.npy", np.random.default_rng(0).normal(size=(40, 16)))
    run("train", "real.npy", "-o", "m.rbm", *FAST, "--visible", "gaussian", "--rate", "0.01")
    assert "40 rows of 16 real values" in capsys.readouterr().out
    run("sample", "m.rbm", "-n", "3", "--steps", "5", "-o", "s.npy")
    assert np.load("s.npy").dtype == np.float32
    run("evaluate", "m.rbm", "real.npy", *SHORT)
    table = lines_of(capsys.readouterr().out)
    assert "log pseudo-likelihood" not in table
    assert table["log Z"][-1] == "exact"


@pytest.mark.parametrize("method", ["exact", "bracket"])
def test_pictures_of_an_evaluation(method: str, sketches: None, capsys: pytest.CaptureFixture[str]) -> None:
    write_model()
    run("evaluate", *EVALUATE, "--method", method, "--plots", "a/b")
    names = sorted(path.stem for path in Path("a/b").iterdir())
    expected = ["chains", "free_energies", "moments"]
    assert names == (expected if method == "exact" else ["ais_weights", *expected])
    assert "drew free_energies, chains, moments" in capsys.readouterr().out


# --- demo --------------------------------------------------------------------------------------------------


def test_demo(sketches: None, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("sklearn")
    run("demo", "--epochs", "25", "--output", "out")
    output = capsys.readouterr()
    assert [line.split(":")[0] for line in output.out.splitlines() if line.startswith("epoch")] == [
        f"epoch {n}/25" for n in (*range(2, 25, 2), 25)
    ]
    for words in ("reconstruction error", "free-energy gap", "nats per pixel", "samples/s", "1 thread"):
        assert words in output.out

    metrics = json.loads(Path("out/metrics.json").read_text())
    before, after = metrics["before"], metrics["after"]
    assert before.keys() >= {"reconstruction_error", "free_energy_gap", "pseudo_likelihood"}
    assert before.keys() == after.keys()
    assert after["reconstruction_error"] < 0.6 * before["reconstruction_error"]
    assert after["pseudo_likelihood"] > before["pseudo_likelihood"] + 5
    assert metrics["samples_per_second"] > 0

    model = rf.load("out/digits.rbm")
    assert (model.n_visible, model.n_hidden) == (64, 128)
    history = json.loads(Path("out/history.json").read_text())
    assert history["epoch"] == [*range(26)]
    pictures = sorted(path.stem for path in Path("out").glob("*.png"))
    assert pictures == ["completions", "filters", "learning_curves", "reconstructions", "samples"]


PLOTS = "drawing needs matplotlib: pip install 'rbmfast[plots]'"
MISSING = {  # commands, what they lack, and what they say
    "demo": ("sklearn", "the demo needs scikit-learn: pip install 'rbmfast[demo]'"),
    "demo --epochs 1": ("matplotlib", "the demo needs matplotlib: pip install 'rbmfast[demo]'"),
    "train bits.npy -o n --plots p": ("matplotlib", PLOTS),
    "sample m.rbm --png s.png": ("matplotlib", PLOTS),
    "evaluate m.rbm bits.npy --plots p": ("matplotlib", PLOTS),
    "bench --png b.png": ("matplotlib", PLOTS),
    "train header.csv -o n": ("pandas", "header.csv: a table as text needs pandas: pip install 'rbmfast[tab"),
}


def test_what_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    rf.RBM(16, 3, seed=0).save("m.rbm")
    for command, (missing, said) in MISSING.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, missing, None)
            assert said in fails(capsys, *command.split())
    assert not Path("rbmfast-demo").exists()


# --- bench -------------------------------------------------------------------------------------------------

SMALL = (
    bench.cd(20, 10, n_rows=300, batch_size=100, epochs=2),
    dataclasses.replace(bench.WORKLOADS[8], n_visible=20, n_hidden=10, n_rows=1),
    dataclasses.replace(bench.WORKLOADS[6], n_visible=20, n_hidden=10, n_rows=10, settings={"steps": 20}),
)


def test_bench(sketches: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench_command, "WORKLOADS", SMALL)
    monkeypatch.setattr(bench_command, "QUICK", (0.1, 3, 0.0))
    monkeypatch.setattr("rbmfast.bench.measure.can_limit_blas", lambda: False)
    before = rf.get_num_threads()
    run("bench", "--quick", "--threads", "1,2", "--only", "0 x 10", "--json", "b.json", "--png", "b.png")
    assert rf.get_num_threads() == before
    text = capsys.readouterr().out
    assert text.count("CD-1, 20 x 10, batch 100\n        1") == 1
    assert "in brackets how many times as fast rbmfast is" in text
    assert "threadpoolctl is not installed" in text
    assert "µs" in text

    written = json.loads(Path("b.json").read_text())
    assert {"cpu", "isa", "packages", "blas"} <= written["environment"].keys()
    measured = {(m["workload"], m["peer"], m["threads"]) for m in written["measurements"]}
    assert len(measured) == len(written["measurements"])
    names = [workload.scaled(0.1).name for workload in SMALL]
    assert {(name, peer, n) for name in names for peer in ("rbmfast", "NumPy") for n in (1, 2)} <= measured
    assert all(len(m["seconds"]) == 3 and m["samples_per_second"] > 0 for m in written["measurements"])
    assert Path("b.png").exists()
    run("bench", "--quick", "--threads", "1", "--only", "Gibbs")
    assert "CD-1, 20 x 10" not in capsys.readouterr().out
    assert "no workload has 'Gips' in its name; choose from: CD-1" in fails(capsys, "bench", "--only", "Gips")
