"""The same rows in everything that rows may come in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

import rbmfast as rf


def mapped(array: Any, path: Path) -> Any:
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def binary_containers(X: Any, folder: Path) -> dict[str, Any]:
    """Of 0/1 rows."""
    frozen = X.copy()
    frozen.flags.writeable = False
    return {
        "bool": X.astype(bool),
        "int8": X.astype(np.int8),
        "int64": X.astype(np.int64),
        "float16": X.astype(np.float16),
        "float32": X.astype(np.float32),
        "float64": X.astype(np.float64),
        "other byte order": X.astype(np.float32).astype(">f4"),
        "negative zeros": np.where(X, 1.0, -0.0),
        "columns first": np.asfortranarray(X),
        "strided": np.repeat(X, 2, axis=1)[:, ::2],
        "read-only": frozen,
        "lists": X.tolist(),
        "CSR": sp.csr_array(X),
        "CSR of floats": sp.csr_array(X.astype(np.float64)),
        "CSC": sp.csc_matrix(X),
        "COO": sp.coo_array(X),
        "packed": rf.Packed(np.packbits(X, axis=1), X.shape[1]),
        "images of 0 and 255": rf.Grey8(X * np.uint8(255)),
        "mapped": mapped(X, folder / "uint8.npy"),
        "mapped bool": mapped(X.astype(bool), folder / "bool.npy"),
        "mapped float32": mapped(X.astype(np.float32), folder / "float32.npy"),
        "mapped packed": rf.Packed(mapped(np.packbits(X, axis=1), folder / "packed.npy"), X.shape[1]),
    }


def grey_containers(levels: Any, folder: Path) -> dict[str, Any]:
    """Of grey levels from 0 to 255."""
    X = levels / 255
    return {
        "images": rf.Grey8(levels),
        "images of int64": rf.Grey8(levels.astype(np.int64)),
        "sparse images": rf.Grey8(sp.csr_array(levels)),
        "float64": X,
        "float32": X.astype(np.float32),
        "float32, columns first": np.asfortranarray(X.astype(np.float32)),
        "with denormals": np.where(X == 0, 1e-310, X),
        "with denormals, float32": np.where(X == 0, 1e-42, X).astype(np.float32),
        "CSR": sp.csr_array(X),
        "CSR of float32": sp.csr_array(X.astype(np.float32)),
        "mapped": mapped(X, folder / "float64.npy"),
        "mapped float32": mapped(X.astype(np.float32), folder / "float32.npy"),
        "mapped images": rf.Grey8(mapped(levels, folder / "uint8.npy")),
    }
