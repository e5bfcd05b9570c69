"""Types of the compiled engine. Its functions are specified, and documented, in `rbmfast.reference`."""

from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from rbmfast.state import Fast, Gradient, LearningState, Missing, Rung, UpdateSettings

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]
U32 = NDArray[np.uint32]
I64 = NDArray[np.int64]
I32 = NDArray[np.int32]
States = NDArray[Any]
RowIds = int | NDArray[np.int64]
Sizes = NDArray[np.int32]
Blocks = tuple[int | Sizes, ...]  # of a layer: numbers of switches, and sizes of groups
LayerBlocks = tuple[Blocks | None, Blocks | None]  # of both layers; None: all are switches

class Config(TypedDict):
    isa: str
    isa_built: tuple[str, ...]
    isa_available: tuple[str, ...]
    openmp: bool
    compiler: str
    threads: int

def set_default_threads(n: int) -> None: ...
def limit_threads(n: int) -> int: ...
def set_least_thread_time(nanoseconds: float) -> None: ...
def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def select_isa(name: str) -> None: ...
def config() -> Config: ...
def is_fast_with_levels() -> bool: ...
def exponent(W: F32, start: int = 20) -> int: ...

class Weights:
    def __init__(self, W: F32, start_exponent: int = 20) -> None: ...
    @property
    def exponent(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...

class Steps:
    levels: U16
    def __init__(self, levels: U16) -> None: ...
    def __len__(self) -> int: ...
    @property
    def shape(self) -> tuple[int, int]: ...

def affine(weights: Weights, states: States | Steps, bias: F32, up: bool = True) -> F32: ...
def affine_sigmoid(weights: Weights, states: States | Steps, bias: F32, up: bool = True) -> F32: ...
def affine_sigmoid_bernoulli(
    weights: Weights,
    states: States | Steps,
    bias: F32,
    seed: int,
    purpose: int,
    layer: int,
    step: int,
    rows: RowIds = 0,
    up: bool = True,
) -> U8: ...
def affine_softplus_sum(weights: Weights, states: States | Steps, bias: F32, up: bool = True) -> F64: ...
def gibbs(
    weights: Weights,
    a: F32,
    b: F32,
    visible: U8,
    steps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    clamp: U8 | None = None,
    blocks: LayerBlocks = ...,
) -> tuple[U8, U8]: ...
def temper(
    weights: Weights,
    a: F32,
    b: F32,
    base: F32,
    hidden: U8,
    betas: F32,
    steps: int,
    swaps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    first_chain: RowIds = 0,
    blocks: LayerBlocks = ...,
    shown: int | None = None,
) -> tuple[U8, U8, NDArray[np.bool_]]: ...
def sweep(
    weights: Weights,
    bias: F32,
    states: U8,
    sweeps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    held: U8 | None = None,
    blocks: Blocks | None = None,
    beta: float = 1.0,
) -> U8: ...
def anneal(
    weights: Weights,
    a: F32,
    b: F32,
    base: F32,
    visible: U8,
    log_weights: F64,
    betas: F32,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    rows: RowIds = 0,
    blocks: LayerBlocks = ...,
) -> tuple[U8, F64]: ...
def are_bits(x: U8) -> bool: ...
def hash_of(x: NDArray[Any]) -> int: ...
def range_of(x: NDArray[Any]) -> str | None: ...
def states_u8(x: NDArray[Any]) -> U8 | None: ...
def states_u16(x: NDArray[Any]) -> U16 | None: ...
def real_states(x: F32) -> Steps | None: ...
def sigmoid(x: F32) -> F32: ...
def sigmoid_u16(x: F32) -> U16: ...
def softplus(x: F32) -> F32: ...
def log(x: F32) -> F32: ...
def softplus_sum(x: F32) -> F64: ...
def weighted_sum(states: States, weights: F32) -> F64: ...
def bernoulli(x: F32, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> U8: ...
def add_normal(x: F32, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0) -> F32: ...
def softmax_groups(x: F32, sizes: Sizes) -> F32: ...
def log_sum_groups(x: F32, sizes: Sizes) -> F64: ...
def categorical(
    x: F32, sizes: Sizes, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
) -> U8: ...
def convolve(
    geometry: tuple[int, ...], q: I32, exponent: int, states: U8, bias: F32, up: bool = True
) -> F32: ...
def convolve_pairs(geometry: tuple[int, ...], images: U8, levels: U16) -> tuple[I64, I64]: ...
def pool_means(x: F32, pools: tuple[int, ...]) -> F32: ...
def pool_levels(x: F32, pools: tuple[int, ...]) -> U16: ...
def pool_log_sums(x: F32, pools: tuple[int, ...]) -> F64: ...
def pool_draw(
    x: F32, pools: tuple[int, ...], seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
) -> U8: ...
def class_log_weights(x: F32, U: F32, d: F32) -> F64: ...
def class_expectations(x: F32, U: F32, p: F32) -> tuple[U16, I64]: ...
def log_conditionals(
    x: F32, W: F32, a: F32, states: States, sites: I64, sizes: Sizes | None = None
) -> F64: ...
def log_sums(
    sent: F64,
    log_weight: F64,
    sizes: Sizes,
    n_low: int,
    bias: F64,
    first: int,
    n: int,
    blocks: Blocks | None = None,
) -> F64: ...
def log_sum_exp(x: F64) -> float: ...
def philox4x32(counter: U32, key: U32) -> U32: ...
def uniform_u32(
    n_rows: int, n_units: int, seed: int, purpose: int, layer: int, step: int, rows: RowIds = 0
) -> U32: ...
def shuffle_keys(n: int, seed: int, epoch: int, purpose: int) -> NDArray[np.uint64]: ...
def argsort(keys: NDArray[np.uint64]) -> I64: ...
def normal_weights(n_rows: int, n_columns: int, scale: float, seed: int, purpose: int, layer: int) -> F32: ...
def add_bias_sigmoid(x: F32, bias: F32) -> None: ...
def softmax(x: F32, bias: F32) -> None: ...
def drop(
    x: F32,
    rate: float,
    seed: int,
    purpose: int,
    layer: int,
    step: int,
    rows: RowIds,
    sent: F32,
    factor: F32,
) -> None: ...
def backward(delta: F32, h: F32 | None = None, factor: F32 | None = None) -> None: ...
def softmax_cross_entropy(x: F32, bias: F32, labels: I64) -> tuple[F64, U8]: ...
def sigmoid_cross_entropy(x: F32, bias: F32, targets: F32) -> F64: ...
def squared_error(x: F32, bias: F32, targets: F32) -> F64: ...
def momentum_step(
    value: F32, velocity: F32, gradient: F32, scale: float, rate: float, momentum: float, decay: float
) -> None: ...
def adam_step(
    value: F32,
    mean: F32,
    square: F32,
    gradient: F32,
    scale: float,
    rate: float,
    beta1: float,
    beta2: float,
    epsilon: float,
    decay: float,
    beta1_power: float,
    beta2_power: float,
) -> None: ...
def contrast(
    data: tuple[States | Steps, U16],
    samples: tuple[States | Steps, U16],
    weights: F64 | None = None,
    paired: bool = False,
) -> Gradient: ...
def update(
    state: LearningState, grad: Gradient, settings: UpdateSettings, rate: float, momentum: float
) -> None: ...
def climb(
    weights: Weights,
    a: F32,
    b: F32,
    rung: Rung,
    x: F32,
    here: F64,
    hidden: U8,
    steps: int,
    seed: int,
    purpose: int,
    layer: int = 0,
    first_step: int = 0,
    first_chain: RowIds = 0,
    blocks: LayerBlocks = ...,
) -> tuple[U8, F32, F64, F64]: ...
def epoch(
    state: LearningState,
    settings: UpdateSettings,
    X: States,
    order: I64,
    row_ids: I64,
    batch_size: int,
    k: int,
    chains: U8 | None,
    rates: F32,
    momenta: F32,
    seed: int,
    purpose: int,
    layer: int,
    first_step: int,
    weights: F64 | None = None,
    blocks: LayerBlocks = ...,
    missing: Missing | None = None,
    rung: Rung | None = None,
    fast: Fast | None = None,
) -> int: ...
