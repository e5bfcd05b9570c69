"""One way in for data: every container becomes `Rows`, validated once and read by rows.

Two questions are kept apart. A *source* knows where the rows are (a dense array, CSR, packed bits); its
*scale* knows what the stored numbers mean (themselves, or 0-255 grey levels). Any source works with any
scale, and what comes out depends on the values alone: **the same bits from every container**.

`containers` has what users hand in and opens it, `missing` takes out what is unknown, `rows` is what it
becomes; `memory` knows of pieces of bounded size and of memory maps.

Three kinds of data come out:

=========  ==========  ==================================================================================
kind       dtype       a value v becomes
=========  ==========  ==================================================================================
binary     uint8       0 or 1
grey       uint16      ``rint(65535 * float32(v))``, the product rounded to float32
real       float32     ``float32(v)``, and +0.0 for -0.0 (a sparse matrix cannot tell the two apart)
=========  ==========  ==================================================================================
"""

from rbmfast.data.alignments import sequence_weights
from rbmfast.data.containers import Grey8, Packed, is_masked, is_sparse
from rbmfast.data.missing import split_missing
from rbmfast.data.rows import Fingerprint, Rows, as_rows, computed_rows
from rbmfast.data.sequences import lagged

__all__ = [
    "Fingerprint",
    "Grey8",
    "Packed",
    "Rows",
    "as_rows",
    "computed_rows",
    "is_masked",
    "is_sparse",
    "lagged",
    "sequence_weights",
    "split_missing",
]
