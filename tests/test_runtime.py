"""Threads, the environment, and what show_config shows."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from engine.helpers import run_python

import rbmfast as rf
from rbmfast import runtime

OPENMP = rf.show_config().openmp


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in runtime.THREAD_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(runtime, "usable_cpus", lambda: 77)
    return monkeypatch


def test_threads_are_kept() -> None:
    for n in (1, 2, 3):
        rf.set_num_threads(n)
        assert rf.get_num_threads() == (n if OPENMP else 1)
        assert rf.show_config().threads == rf.get_num_threads()
    rf.set_num_threads(np.int64(1))


@pytest.mark.parametrize(
    ("n", "error"),
    [(0, ValueError), (-1, ValueError), (4097, ValueError), (1.5, TypeError), (True, TypeError)],
)
def test_bad_thread_numbers(n: object, error: type) -> None:
    before = rf.get_num_threads()
    with pytest.raises(error, match=r"^n must be an integer from 1 to 4096"):
        rf.set_num_threads(n)
    assert rf.get_num_threads() == before


@pytest.mark.parametrize(
    ("environment", "own", "default"),
    [
        ({}, None, 77),
        ({"OMP_NUM_THREADS": "5"}, None, 5),
        ({"OMP_NUM_THREADS": "5,2"}, None, 5),
        ({"OMP_NUM_THREADS": " "}, None, 77),
        ({"RBMFAST_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3, 5),
    ],
)
def test_the_environment_is_asked(
    clean: pytest.MonkeyPatch, environment: dict[str, str], own: int | None, default: int
) -> None:
    for variable, value in environment.items():
        clean.setenv(variable, value)
    assert runtime.threads_from_environment() == (own, default)


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5", "99999999999999999999", "3,2", "²"])
def test_nonsense_in_the_environment(clean: pytest.MonkeyPatch, value: str) -> None:
    """Ours is refused; OpenMP's is not ours to refuse."""
    clean.setenv("OMP_NUM_THREADS", f"x{value}")
    with pytest.warns(RuntimeWarning, match="ignoring OMP_NUM_THREADS=.*must be an integer from 1"):
        assert runtime.threads_from_environment() == (None, 77)
    clean.setenv("RBMFAST_NUM_THREADS", value)
    with pytest.raises(ImportError, match=r"^RBMFAST_NUM_THREADS must be an integer from 1 to 4096, got "):
        runtime.threads_from_environment()


@pytest.mark.parametrize(
    ("command", "variable", "value"),
    [("module", "RBMFAST_NUM_THREADS", "-1"), ("script", "RBMFAST_ISA", "avx9")],
)
def test_the_command_says_in_a_line_what_is_wrong_with_the_environment(
    tmp_path: Path, command: str, variable: str, value: str
) -> None:
    """Importing the package fails before the command begins; whoever imports it sees an ImportError."""
    script = tmp_path / "rbmfast"
    script.write_text("import sys\nfrom rbmfast.cli import main\nsys.exit(main())\n")
    environment = {**os.environ, variable: value, "PYTHONPATH": str(Path(rf.__file__).parents[1])}
    words = [str(script)] if command == "script" else ["-m", "rbmfast"]
    done = subprocess.run([sys.executable, *words, "info"], env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"rbmfast: error: {variable}") and repr(value) in line

    code = "try: import rbmfast\nexcept ImportError as error: print(error)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.startswith(variable) and repr(value) in done.stdout


# --- Control groups ----------------------------------------------------------------------------------------


def group_files(root: Path, cgroup: str, files: dict[str, str]) -> None:
    files = {"proc/self/cgroup": cgroup} | {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("cgroup", "files", "limit"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000\n"}, 1),
        ("0::/a/b\n", {"a/b/cpu.max": "20000 100000\n", "a/cpu.max": "300000 100000\n"}, 1),
        ("0::/elsewhere\n", {"cpu.max": "200000 100000\n"}, 2),
        (
            "4:memory:/x\n1:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
            3,
        ),
        ("1:cpu:/\n0::/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu.max": "nonsense\n"}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
        ("0::/\n", {}, None),
    ],
)
def test_quotas(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, files: dict[str, str], limit: int | None
) -> None:
    group_files(tmp_path, cgroup, files)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert runtime.usable_cpus(tmp_path) == (8 if limit is None else limit)


def test_affinity_without_control_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert runtime.usable_cpus(tmp_path) == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert runtime.usable_cpus(tmp_path) == 1


# --- What there is -----------------------------------------------------------------------------------------


def test_show_config() -> None:
    config = rf.show_config()
    assert config.version == rf.__version__
    assert config.stream_version == 1
    assert config.isa in config.isa_available
    assert {*config.isa_available} <= {*config.isa_built}
    assert "portable" in config.isa_built
    text = str(config)
    for fact in (config.version, config.compiler, config.isa, str(config.threads), config.cpu):
        assert fact in text
    assert text == repr(config)


def test_memory_is_checked_against_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_physical_memory", lambda: 3 * 2**30)
    runtime.check_fits_memory(3 * 2**30, "this")
    with pytest.raises(MemoryError, match="this needs 4 GiB, and this machine has 3 GiB"):
        runtime.check_fits_memory(2**32, "this")
    with pytest.raises(MemoryError, match="EiB"):
        runtime.check_fits_memory(10**30, "this")


def test_public_names() -> None:
    for name in rf.__all__:
        assert getattr(rf, name) is not None
    assert len({*rf.__all__}) == len(rf.__all__)
    assert {*rf.__all__} <= {*dir(rf)}
    assert not hasattr(rf, "no_such_name")


def test_importing_is_light() -> None:
    """SciPy takes longer to load than NumPy and the library together: it waits until something needs it."""
    done = run_python(
        "import sys, rbmfast as rf\n"
        "print(*{name.split('.')[0] for name in sys.modules} & {'scipy', 'matplotlib', 'email'})\n"
        "print('rbmfast.likelihood' in sys.modules, rf.plots.__name__, 'matplotlib' in sys.modules)"
    )
    assert done.stdout.splitlines() == ["", "False rbmfast.plots False"], done.stderr


def test_commands_load_what_they_need(tmp_path: Path) -> None:
    """Help, `info` and samples do without SciPy, pictures and the other commands."""
    rf.RBM(8, 2, seed=0).save(tmp_path / "m")
    done = run_python(
        "import os, sys; from rbmfast.cli import main\n"
        f"os.chdir({str(tmp_path)!r})\n"
        "for command in ('--help', 'info', 'info m', 'sample m --steps 2'):\n"
        "    assert main(command.split()) == 0\n"
        "heavy = ('scipy', 'matplotlib', 'pandas', 'rbmfast.likelihood', 'rbmfast.plots', 'rbmfast.bench')\n"
        "print('loaded', *[name for name in heavy if name in sys.modules])"
    )
    assert done.stdout.splitlines()[-1] == "loaded", done.stderr
