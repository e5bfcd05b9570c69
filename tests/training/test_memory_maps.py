"""Data in a file larger than what may stay in memory."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import rbmfast as rf

STATM = Path("/proc/self/statm")
N_ROWS, N_VISIBLE = 100_000, 784  # 78 MB, without a block on the disk
ALLOWED = 50 << 20


def resident() -> int:
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.filterwarnings("ignore:X is constant")  # holes in a file are zeros
@pytest.mark.skipif(not STATM.exists(), reason="asks /proc for the resident memory")
@pytest.mark.parametrize("shuffle", [pytest.param(False, marks=pytest.mark.slow), "blocks"])
def test_a_map_does_not_stay_in_memory(shuffle: bool | str, tmp_path: Path) -> None:
    file = tmp_path / "zeros.u8"
    with file.open("wb") as stream:
        stream.truncate(N_ROWS * N_VISIBLE)
    X = np.memmap(file, np.uint8, "r", shape=(N_ROWS, N_VISIBLE))
    before, most, done = resident(), [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            most[0] = max(most[0], resident())
            time.sleep(0.01)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        rf.train(rf.RBM(N_VISIBLE, 8, seed=0), X, epochs=1, batch_size=1000, shuffle=shuffle, seed=0)
    finally:
        done.set()
        watcher.join()
    assert 0 < most[0] - before < ALLOWED
