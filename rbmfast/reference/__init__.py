"""The arithmetic of rbmfast in plain NumPy: the specification of the engine, and the oracle of its tests.

Every function here gives, bit for bit, what the function of the same name in `rbmfast._engine` gives on every
CPU, with any number of threads. `docs/design/001-arithmetic.md` says why each rule is what it is. Speed is
no concern of these modules; being readable is. Read `numbers` first, then `chains`, then `learning`;
`maps`, `sites` and `states` stand by themselves.

Conventions
-----------
*States* are uint8 (0/1), or uint16 grey levels in units of 1/65535, used as expectations. `x` is a total
input (pre-activation) in float32. All float arithmetic below is single operations in float32 (or float64
where it says so), rounded one at a time: no fused multiply-add, no library exp or log.
"""

from rbmfast.reference.chains import *  # noqa: F403
from rbmfast.reference.learning import *  # noqa: F403
from rbmfast.reference.maps import *  # noqa: F403
from rbmfast.reference.numbers import *  # noqa: F403
from rbmfast.reference.sites import *  # noqa: F403
from rbmfast.reference.states import *  # noqa: F403
