"""The memory that training takes, in one table.

    python benchmarks/compare_memory.py [--map-megabytes N] [--rows N] [--units N]

Each line comes from a process of its own. "resident": its largest resident memory, Python and the data
included. "training": by how much that grew after the data was there and a small model had been trained
(which loads what is loaded once): the model, the state of the learner, scratch memory and, with a memory map,
the pages that were in memory at the same time. "of parameters": that in units of the model's float32 size,
where the model is larger than the data.

The memory map is a sparse file (of zeros) in the folder for temporary files, which must lie on a disk: a file
system in memory would count every page.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scripts import MEGABYTE, in_a_process, peak_memory

import rbmfast as rf

BATCH_SIZE = 100


@dataclass(frozen=True)
class Case:
    """One epoch of CD-1 on so many rows."""

    name: str
    n_rows: int
    n_visible: int
    n_hidden: int
    is_map: bool = False

    @property
    def data_bytes(self) -> int:
        return self.n_rows * self.n_visible

    @property
    def parameter_bytes(self) -> int:
        return 4 * (self.n_visible * self.n_hidden + self.n_visible + self.n_hidden)


def cases(rows: int, units: int, map_megabytes: int) -> list[Case]:
    return [
        Case("uint8, few rows", max(BATCH_SIZE, rows // 20), 784, 500),
        Case("uint8, many rows", rows, 784, 500),
        Case("large model", 10 * BATCH_SIZE, units, units),
        Case("memory map", map_megabytes * MEGABYTE // 784, 784, 64, is_map=True),
    ]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--map-megabytes", type=int, default=4000, help="size of the map (default: 4000)")
    parser.add_argument("--rows", type=int, default=200_000, help="most rows of the others (default: 200000)")
    parser.add_argument(
        "--units", type=int, default=4096, help="of a layer of the large model (default: 4096)"
    )
    parser.add_argument("--case", type=json.loads, help=argparse.SUPPRESS)  # in a process of its own
    arguments = parser.parse_args(argv)
    if arguments.case:
        print(json.dumps(peaks(Case(**arguments.case))))
        return
    print(f"{rf.get_num_threads()} threads, one epoch of CD-1, batch {BATCH_SIZE}; MB of 1 000 000 bytes\n")
    print(f"{'':34}{'data':>8}{'parameters':>12}{'resident':>10}{'training':>10}{'of parameters':>15}")
    for case in cases(arguments.rows, arguments.units, arguments.map_megabytes):
        before, after = in_a_process(__file__, "--case", json.dumps(asdict(case)))
        print(line(case, before, after), flush=True)


def line(case: Case, before: int, after: int) -> str:
    name = f"{case.name}, {case.n_visible} x {case.n_hidden}"
    sizes = [case.data_bytes, case.parameter_bytes, after, after - before]
    data, parameters, resident, training = (size / MEGABYTE for size in sizes)
    share = f"{training / parameters:.1f}x" if parameters > data else "-"
    return f"{name:34}{data:8,.0f}{parameters:12,.1f}{resident:10,.0f}{training:10,.1f}{share:>15}"


# --- In the process that is measured -----------------------------------------------------------------------


def peaks(case: Case) -> tuple[int, int]:
    """Largest resident memory before and after training."""
    with tempfile.TemporaryDirectory() as folder:
        X = data(case, Path(folder))
        train(np.eye(16, dtype=np.uint8), 16, 16)
        before = peak_memory()
        train(X, case.n_visible, case.n_hidden)
        after = peak_memory()
        del X  # closes the file
    return before, after


def data(case: Case, folder: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    shape = (case.n_rows, case.n_visible)
    if not case.is_map:
        return np.random.default_rng(0).integers(0, 2, shape, np.uint8)
    with (folder / "zeros.u8").open("wb") as stream:
        stream.truncate(case.data_bytes)
    return np.memmap(folder / "zeros.u8", np.uint8, "r", shape=shape)


def train(X: Any, n_visible: int, n_hidden: int) -> None:
    shuffle = "blocks" if isinstance(X, np.memmap) else True
    warnings.filterwarnings("ignore", "X is constant")  # what is learned costs the same memory
    settings: dict[str, Any] = {"method": rf.CD(), "optimizer": 0.1, "penalties": (), "centered": False}
    settings |= {"epochs": 1, "batch_size": BATCH_SIZE, "shuffle": shuffle, "seed": 0}
    rf.train(rf.RBM(n_visible, n_hidden, seed=0), X, **settings)


if __name__ == "__main__":
    main()
