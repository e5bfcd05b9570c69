"""Reading models from files."""

from __future__ import annotations

from typing import Any

from rbmfast.archive import read_file
from rbmfast.files import FileFormatError, FilePath, blaming, file_name
from rbmfast.models import DBM, DBN, RBM, BoltzmannMachine, ClassRBM, ConditionalRBM, ConvRBM, Network
from rbmfast.models.base import TRAJECTORY, Storable
from rbmfast.models.trajectory import check_kept, version_of
from rbmfast.saved import under
from rbmfast.tables import Schema

MODELS: dict[str, type[Storable]] = {
    model.kind: model
    for model in (RBM, ClassRBM, ConditionalRBM, ConvRBM, DBN, DBM, Network, BoltzmannMachine)
}
ELSEWHERE = {
    "checkpoint": "a checkpoint of a training run: pass it to rf.train(..., resume=...)",
    "pretraining": "a checkpoint of a pre-training: pass it to rf.pretrain(..., resume=...)",
    "up-down": "a checkpoint of up-down fine-tuning: pass it to rf.up_down(..., resume=...)",
    "annealing": "a checkpoint of annealed importance sampling: pass it to rf.log_partition(..., resume=...)",
    "fine-tuning": "a checkpoint of fine-tuning: pass it to rf.fine_tune(..., resume=...)",
}


def load(path: FilePath) -> Any:
    """Read a model that its `save` method wrote.

    Parameters
    ----------
    path : str, bytes or PathLike
        The file.

    Returns
    -------
    RBM, ClassRBM, ConditionalRBM, ConvRBM, DBN, DBM, Network or BoltzmannMachine
        With the very numbers of the saved one, so that it gives the same bits; and its `schema`, if it had
        one.

    Raises
    ------
    FileFormatError
        The file is none of ours, is damaged, is of a newer version, or holds no model. (A `ValueError`.)
    OSError
        The file cannot be read.

    Warns
    -----
    UserWarning
        The model was saved by a version with other random streams.

    Examples
    --------
    >>> import rbmfast as rf
    >>> rf.RBM(4, 2, visible="gaussian", seed=0).save("small.rbm")
    >>> rf.load("small.rbm")
    RBM(4, 2, visible='gaussian')
    """
    name = file_name(path)
    kind, meta, arrays = read_file(name)
    if kind not in MODELS:
        what = ELSEWHERE.get(kind, f"{kind!r}, which this version does not know")
        raise FileFormatError(f"{name!r} holds no model but {what}")
    with blaming(name, "holds no valid model"):
        model: Any = MODELS[kind].from_state(meta, arrays)
        model.schema = Schema.from_description(meta["schema"]) if "schema" in meta else None
        model.class_names = tuple(map(str, meta.get("class_names", ())))
        if kept := under(arrays, TRAJECTORY):
            check_kept(version_of(model), kept)
            model._keep_trajectory(kept)
    return model
