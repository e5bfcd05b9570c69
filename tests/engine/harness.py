"""Every function of the engine against the reference, bit for bit.

A new kernel is one line in `CALLS`, a new way to learn one line in `RECIPES`; the tests run them on every
instruction set, with several numbers of threads, and at sizes around every vector and panel width.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from rbmfast import _engine as engine
from rbmfast import reference
from rbmfast.state import Fast, Gradient, LearningState, Missing, UpdateSettings

ISAS = engine.config()["isa_available"]
THREADS = (1, 2, 3, 7)
SMALL_SIZES = (1, 7, 15, 16, 17, 31, 33, 63, 65, 100)
SIZES = (*SMALL_SIZES, 260)
ROWS = (1, 3, 32, 33, 70)
GROUPS = (1, 2, 3, 21, 33, "of all sizes")  # units in one

TINY = np.float32(1e-45)  # the smallest denormal
SMALL = [0.0, -0.0, TINY, -TINY, 1e-40, -1e-40, 1.1754944e-38, -1e-30, 1e-8, 0.5, -0.5, 1.0, -1.0, 0.86643398]
LARGE = [17.3, -17.3, 22.18, -22.18, 79.99999, -79.99999, 80, -80, 80.00001, -88, 104, -1e10, 3.4e38, -3.4e38]
EDGES = np.float32([*SMALL, *LARGE])
# Velocities about the 2**-100 below which they become 0; some of them after a momentum of 0.7.
DYING = np.float32([0.0, -0.0, TINY, 1e-39, 7.8e-31, -8e-31, 1.12e-30, -1.12e-30, 1.13e-30, -1.13e-30, 1e-28])
# Probabilities about the 2**-32 below which a class counts as impossible.
UNLIKELY = np.float32([0.0, TINY, 1e-39, 2.3e-10, 2.0**-32, 2.4e-10, 1.0])
SEED, STEP, FIRST_ROW = 0x0123456789ABCDEF, 2**33 + 12345, 2**32 - 5  # every field of a counter is in use


# --- Problems ----------------------------------------------------------------------------------------------


def _sprinkled(rng: np.random.Generator, values: Any, numbers: Any) -> Any:
    """`values` with some of `numbers` in random places."""
    flat = values.reshape(-1)
    places = rng.choice(flat.size, min(len(numbers), max(1, flat.size // 3)), replace=False)
    flat[places] = rng.permutation(numbers)[: len(places)]
    return values


WEIGHTS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Any]] = {
    "small": lambda rng, shape: rng.standard_normal(shape) * 0.01,
    "ordinary": lambda rng, shape: rng.standard_normal(shape),
    "large": lambda rng, shape: rng.standard_normal(shape) * 100,  # the largest lowers the exponent
    "heavy": lambda rng, shape: rng.choice([-7.9, 7.9], shape),  # a sum lowers it, in layers of more than 258
    "enormous": lambda rng, shape: rng.standard_normal(shape) * 1e10,
    "spread": lambda rng, shape: _sprinkled(
        rng,
        rng.choice([-1, 1], shape) * 10 ** rng.uniform(-12, 0, shape),
        [0.0, -0.0, TINY, -TINY, 1e-40, -1e-39, 2.0**-21, -(2.0**-21), 3 * 2.0**-21, 2.0**-20],
    ),
}


class Problem:
    """Random operands of given sizes."""

    def __init__(self, n_visible: int, n_hidden: int, n_rows: int, weights: str) -> None:
        rng = np.random.default_rng([n_visible, n_hidden, n_rows, list(WEIGHTS).index(weights)])

        def normal(*shape: int, scale: float = 1.0) -> Any:
            return (rng.standard_normal(shape) * scale).astype(np.float32)

        def levels(*shape: int) -> Any:
            grey = rng.integers(0, 65536, shape).astype(np.uint16)
            return np.where(rng.random(shape) < 0.3, rng.choice(np.uint16([0, 65535]), shape), grey)

        self.W = WEIGHTS[weights](rng, (n_visible, n_hidden)).astype(np.float32)
        self.a, self.b = (_sprinkled(rng, normal(n), EDGES[:18]) for n in (n_visible, n_hidden))
        self.v = (rng.random((n_rows, n_visible)) < rng.choice([0.1, 0.5])).astype(np.uint8)
        self.h = (rng.random((n_rows, n_hidden)) < 0.4).astype(np.uint8)
        self.v[-1], self.h[0] = 1, 0  # full sums, and none
        self.v_grey, self.h_grey = levels(n_rows, n_visible), levels(n_rows, n_hidden)
        self.v_grey[-1], self.h_grey[0] = 65535, 0
        self.more_grey, self.fewer = levels(n_rows, n_hidden), (n_rows + 1) // 2
        self.clamp = (rng.random(self.v.shape) < 0.5).astype(np.uint8)
        self.x = _sprinkled(rng, normal(n_rows, n_hidden, scale=8), EDGES)
        # Total inputs of whole groups of some sizes, near enough that their differences are numbers.
        self.groups = {
            size: np.resize(self.x, (n_rows, n_units_of(size, n_hidden))).clip(-1e30, 1e30) for size in GROUPS
        }
        self.positive = np.abs(self.x).clip(np.finfo(np.float32).tiny)
        self.ids = rng.integers(0, 2**40, n_rows)
        weights = rng.gamma(0.5, size=n_rows)
        self.row_weights = weights * rng.choice([0.0, 1.0, 1e-6], n_rows, p=[0.2, 0.7, 0.1])
        self.base, self.log_weights = normal(n_visible), rng.standard_normal(n_rows)
        self.betas = np.float32([0.0, 2.0**-30, 0.3, 0.3, 1.0])
        n_classes = n_visible % 13 + 1
        self.class_weights = _sprinkled(rng, normal(n_classes, n_hidden, scale=4), EDGES[:18])
        self.class_bias = normal(n_classes)
        self.class_probabilities = rng.dirichlet(np.full(n_classes, 0.1), n_rows).astype(np.float32)
        _sprinkled(rng, self.class_probabilities, UNLIKELY)
        slopes = (normal(*shape, scale=0.1) for shape in (self.W.shape, self.a.shape, self.b.shape))
        means = (rng.random(n).astype(np.float32) for n in (n_visible, n_hidden))
        self.gradient = Gradient(*slopes, *means)
        self.state = LearningState.start(self.W, normal(n_visible), normal(n_hidden))
        for name in ("W", "a", "b"):
            slope, velocity = getattr(self.gradient, name), getattr(self.state, f"{name}_velocity")
            velocity[:] = normal(*velocity.shape)
            dead = rng.random(velocity.shape) < 0.3  # no gradient, and next to no velocity left
            slope[dead] = rng.choice([0.0, -0.0, TINY, 1e-35], velocity.shape)[dead]
            velocity[dead] = rng.choice(DYING, velocity.shape)[dead]
        self.state.visible_offset[:] = rng.random(n_visible)
        self.state.hidden_offset[:] = rng.random(n_hidden)
        self.state.activity[:] = rng.random(n_hidden)
        self.net = _sprinkled(rng, normal(n_rows, n_hidden, scale=8), EDGES[np.abs(EDGES) < 1e20])
        self.targets = np.where(self.h, rng.random(self.h.shape), self.h).astype(np.float32)
        self.labels = rng.integers(0, n_hidden, n_rows)
        self.labels[::2] = self.net.argmax(axis=1)[::2]


problem = cache(Problem)  # nobody writes into one


# --- Calls: one line each ----------------------------------------------------------------------------------

SPARSE = UpdateSettings(sparsity_target=0.1, sparsity_cost=0.3, sparsity_decay=0.7)
EVERYTHING = dataclasses.replace(SPARSE, l1=1e-3, l2=1e-2, max_norm=0.5, centered=True, offset_rate=0.05)
SETTINGS = {
    "plain": UpdateSettings(),
    "L1": UpdateSettings(l1=0.01),
    "L2": UpdateSettings(l2=0.05),
    "max-norm": UpdateSettings(max_norm=0.3),
    "centred": UpdateSettings(centered=True, offset_rate=0.1),
    "sparsity": SPARSE,
    "everything": EVERYTHING,
}


def _updated(m: Any, p: Problem, settings: UpdateSettings, rate: float, momentum: float) -> LearningState:
    state = copy.deepcopy(p.state)
    m.update(state, p.gradient, settings, rate, momentum)
    return state


# Two phases to learn from: visible states and hidden probabilities of the data, and of the model's samples.
PHASES: dict[str, Callable[[Problem], Any]] = {
    "binary": lambda p: ((p.v, p.h_grey), (p.v[::-1].copy(), p.more_grey)),
    "binary, fewer samples": lambda p: ((p.v, p.h_grey), (p.clamp[: p.fewer], p.more_grey[: p.fewer])),
    "binary, fewer rows": lambda p: ((p.v[: p.fewer], p.h_grey[: p.fewer]), (p.clamp, p.more_grey)),
    "binary, the same states": lambda p: ((p.v, p.h_grey), (p.v, p.more_grey)),
    "grey data": lambda p: ((p.v_grey, p.h_grey), (p.v, p.more_grey)),
    "grey data, fewer samples": lambda p: ((p.v_grey, p.h_grey), (p.v[: p.fewer], p.more_grey[: p.fewer])),
    "grey samples": lambda p: ((p.v, p.h_grey), (p.v_grey, p.more_grey)),
    "grey": lambda p: ((p.v_grey, p.h_grey), (p.v_grey[::-1].copy(), p.more_grey)),
    "grey, fewer rows": lambda p: ((p.v_grey[: p.fewer], p.h_grey[: p.fewer]), (p.v_grey, p.more_grey)),
    "grey, the same states": lambda p: ((p.v_grey, p.h_grey), (p.v_grey, p.more_grey)),
}


def _weighted(m: Any, data: Any, samples: Any, weights: Any, paired: bool) -> Gradient:
    gradient: Gradient = m.contrast(data, samples, weights[: len(data[0])], paired)
    return gradient


def _annealed(m: Any, w: Any, p: Problem, *path: Any) -> Any:
    return m.anneal(w, p.a, p.b, p.base, p.v, p.log_weights, *path)


def _tempered(m: Any, w: Any, p: Problem, betas: Any, *more: Any, rows: int | None = None) -> Any:
    return m.temper(w, p.a, p.b, p.base, np.tile(p.h[:rows], (len(betas), 1)), betas, *more)


def _in_place(call: Callable[..., Any], x: Any, *arguments: Any) -> tuple[Any, Any]:
    x = x.copy()
    return x, call(x, *arguments)


def _dropped(m: Any, p: Problem, rate: float, *stream: Any) -> tuple[Any, Any]:
    sent, factor = np.full_like(p.net, np.nan), np.full_like(p.net, np.nan)
    m.drop(p.net, rate, *stream, sent, factor)
    return sent, factor


def _stepped(step: Callable[..., None], p: Problem, n_moments: int, *settings: float) -> tuple[Any, ...]:
    moments = [p.state.W_velocity.copy(), np.abs(p.state.W_velocity)][:n_moments]
    W = np.where(np.abs(p.W) < 1e9, p.W, np.float32(1))  # np.clip would flush denormals where the CPU does
    step(W, *moments, p.gradient.W, *settings)
    return W, *moments


def n_units_of(size: int | str, n: int) -> int:
    """Units of whole groups, at least n of them."""
    return n if isinstance(size, str) else -(-n // size) * size


def sizes_of(size: int | str, n: int) -> Any:
    """Of the groups of n units: all of one size, or of many, up to more than a piece."""
    sizes = np.full(n, size) if isinstance(size, int) else np.resize([3, 5, 2, 1, 40, 4, 4], n)
    ends = np.cumsum(sizes)
    sizes = sizes[: np.searchsorted(ends, n) + 1].astype(np.int32)
    sizes[-1] -= sizes.sum() - n
    return sizes


def _groups(p: Problem, size: int | str) -> tuple[Any, Any]:
    x = p.groups[size]
    return x, sizes_of(size, x.shape[1])


def _some(n: int) -> Any:
    """Numbers of some of n sites, out of order."""
    return np.arange(n)[:: -(n // 9 + 1)]


def _of_sites(m: Any, p: Problem, size: int | str) -> Any:
    """Of sites of a size, in which a unit is on; of single ones, where it is drawn."""
    sizes = sizes_of(size, len(p.a))
    x, single = np.resize(p.x, p.v.shape).clip(-9, 9), np.repeat(sizes, sizes) == 1
    states = reference.draw_groups(x, sizes, np.zeros(x.shape, np.uint32))
    states[:, single] = p.v[:, single]
    return m.log_conditionals(p.x, p.W, p.a, states, _some(len(sizes)), sizes)


def _swept(m: Any, p: Problem, size: int | str | None, *stream: Any, **more: Any) -> Any:
    """States after two sweeps of units that are joined to each other: some of them are held."""
    x, sizes = (p.v, np.ones(p.v.shape[1], np.int32)) if size is None else _groups(p, size)
    n, site = x.shape[1], np.repeat(np.arange(len(sizes)), sizes)
    half = np.where(site[:, None] < site, np.resize(p.W, (n, n)), np.float32(0))
    states = p.v if size is None else reference.draw_groups(x, sizes, np.zeros(x.shape, np.uint32))
    held = np.ascontiguousarray(np.resize(p.clamp, (len(x), len(sizes)))[:, site])
    blocks = None if size is None else (sizes,)
    weights = m.Weights(np.ascontiguousarray(half + half.T))
    return m.sweep(weights, np.resize(p.a, n), states, 2, *stream, held=held, blocks=blocks, **more)


# Layers by name: blocks of n units, switches or groups.
BLOCKS: dict[str, Callable[[int], Any]] = {
    "switches": lambda n: (n,),
    "groups": lambda n: (sizes_of(21, n),),
    "ragged groups": lambda n: (sizes_of("of all sizes", n),),
    "mixed": lambda n: (
        (1, sizes_of(3, n // 3), n // 4, 1, sizes_of(4, n - 2 - n // 3 - n // 4)) if n >= 7 else (n,)
    ),
}
LAYERS = {
    f"{visible} and {hidden}": (BLOCKS[visible], BLOCKS[hidden])
    for visible, hidden in (
        ("groups", "switches"),
        ("switches", "ragged groups"),
        ("mixed", "groups"),
        ("ragged groups", "mixed"),
    )
}


def _layers(p: Problem, name: str) -> tuple[Any, Any]:
    visible, hidden = LAYERS[name]
    return visible(len(p.a)), hidden(len(p.b))


def _summed(m: Any, p: Problem, first: int, blocks: Callable[[int], Any], *, low: bool) -> Any:
    """Over states of sites of one to three options, rows of the weights; with low ones where they may be."""
    sizes = np.resize(np.int32([2, 1, 3, 2, 2, 1, 2]), 9)
    sizes = sizes[: np.searchsorted(sizes.cumsum(), min(len(p.W), 14), side="right")]
    sizes = sizes if len(sizes) else np.int32([1])
    n, starts = sizes.sum(), sizes.cumsum() - sizes
    sent = p.W[:n].astype(np.float64)
    spans = (np.maximum.reduceat(sent, starts) - np.minimum.reduceat(sent, starts))[::-1]
    n_low = int((spans.cumsum(axis=0).max(axis=1) <= reference.LOW_SPAN).sum()) if low else 0
    n_blocks = int(np.prod(sizes[: len(sizes) - n_low]))
    first = min(first, n_blocks)
    weights, bias = p.a[:n].astype(np.float64), p.b.astype(np.float64)
    return m.log_sums(sent, weights, sizes, n_low, bias, first, n_blocks - first, blocks(len(p.b)))


class Maps:
    """Images and maps, whose sizes follow from those of a problem; filters for its hidden units."""

    def __init__(self, p: Problem, same: bool) -> None:
        n, k = len(p.v), len(p.b)
        rng = np.random.default_rng([n, k, len(p.a), same])
        sides = (3, 7), (3, 9), (1, 3), (1, 4), (1, 4)
        height, width, channels, fh, fw = (int(rng.integers(*side)) for side in sides)
        lead = ((fh - 1) // 2, (fw - 1) // 2) if same else (0, 0)
        map_size = (height, width) if same else (height - fh + 1, width - fw + 1)
        self.geometry = (height, width, channels, fh, fw, k, *lead, *map_size)
        self.pools = (*map_size, k, math.gcd(*map_size))
        n_image, n_map = height * width * channels, math.prod(map_size) * k
        self.images = (rng.random((n, n_image)) < 0.3).astype(np.uint8)
        self.maps = (rng.random((n, n_map)) < 0.2).astype(np.uint8)
        self.q = rng.integers(-(2**23), 2**23, fh * fw * channels * k, dtype=np.int32)
        down = rng.integers(-(2**23), 2**23, (k, fh, fw * channels), dtype=np.int32)
        self.q_down = np.pad(down, ((0, 0), (0, 0), (0, -fw * channels % 16))).reshape(-1)
        self.levels = rng.integers(0, 65536, (n, n_map)).astype(np.uint16)
        self.bias, self.visible_bias = np.resize(p.b, n_map), np.resize(p.a, n_image)
        self.x = np.resize(p.x, (n, n_map)).clip(-1e30, 1e30)


Call = Callable[[Any, Any, Problem], Any]  # (engine or reference, its weights, operands) -> results
CALLS: dict[str, Call] = {
    "exponent": lambda m, w, p: m.exponent(p.W),
    "exponent from 11": lambda m, w, p: m.exponent(p.W, 11),
    "weights": lambda m, w, p: (w.exponent, w.shape),
    "are_bits": lambda m, w, p: (m.are_bits(p.v), m.are_bits(p.v_grey.view(np.uint8))),
    "affine": lambda m, w, p: m.affine(w, p.v, p.b),
    "affine of grey levels": lambda m, w, p: m.affine(w, p.v_grey, p.b),
    "affine down": lambda m, w, p: m.affine(w, p.h, p.a, False),
    "affine down of grey levels": lambda m, w, p: m.affine(w, p.h_grey, p.a, False),
    "affine of coarser weights": lambda m, w, p: m.affine(m.Weights(p.W, 3), p.v, p.b),
    "affine_sigmoid": lambda m, w, p: m.affine_sigmoid(w, p.v, p.b),
    "affine_sigmoid of grey levels": lambda m, w, p: m.affine_sigmoid(w, p.v_grey, p.b),
    "affine_sigmoid down": lambda m, w, p: m.affine_sigmoid(w, p.h, p.a, False),
    "affine_sigmoid_bernoulli": lambda m, w, p: m.affine_sigmoid_bernoulli(
        w, p.v, p.b, SEED, 63, 5, STEP, FIRST_ROW
    ),
    "affine_sigmoid_bernoulli of grey levels": lambda m, w, p: m.affine_sigmoid_bernoulli(
        w, p.v_grey, p.b, 1, 2, 3, 4, p.ids
    ),
    "affine_sigmoid_bernoulli down": lambda m, w, p: m.affine_sigmoid_bernoulli(
        w, p.h, p.a, 1, 2, 3, 4, p.ids, False
    ),
    "affine_softplus_sum": lambda m, w, p: m.affine_softplus_sum(w, p.v, p.b),
    "affine_softplus_sum of grey levels": lambda m, w, p: m.affine_softplus_sum(w, p.v_grey, p.b),
    "affine_softplus_sum down": lambda m, w, p: m.affine_softplus_sum(w, p.h, p.a, False),
    "sigmoid": lambda m, w, p: m.sigmoid(p.x),
    "sigmoid of a vector": lambda m, w, p: m.sigmoid(p.x[0]),
    "sigmoid_u16": lambda m, w, p: m.sigmoid_u16(p.x),
    "softplus": lambda m, w, p: m.softplus(p.x),
    "softplus_sum": lambda m, w, p: m.softplus_sum(p.x),
    "log": lambda m, w, p: m.log(p.positive),
    "weighted_sum": lambda m, w, p: m.weighted_sum(p.v, p.a),
    "weighted_sum of grey levels": lambda m, w, p: m.weighted_sum(p.v_grey, p.a),
    "bernoulli": lambda m, w, p: m.bernoulli(p.x, SEED, 63, 63, 2**44 - 1, 2**40 - 200),
    "bernoulli of rows": lambda m, w, p: m.bernoulli(p.x, 0, 0, 0, 0, p.ids),
    **{
        f"{name}, groups of {size}": call
        for size in GROUPS
        for name, call in {
            "softmax_groups": lambda m, w, p, size=size: m.softmax_groups(*_groups(p, size)),
            "log_sum_groups": lambda m, w, p, size=size: m.log_sum_groups(*_groups(p, size)),
            "categorical": lambda m, w, p, size=size: m.categorical(
                *_groups(p, size), SEED, 63, 63, 2**44 - 1, 2**40 - 200
            ),
        }.items()
    },
    **{
        f"{name}, {'same' if same else 'valid'} borders": lambda m, w, p, call=call, same=same: call(
            m, Maps(p, same)
        )
        for same in (False, True)
        for name, call in {
            "convolve": lambda m, c: m.convolve(c.geometry, c.q, 15, c.images, c.bias),
            "convolve down": lambda m, c: m.convolve(c.geometry, c.q_down, 15, c.maps, c.visible_bias, False),
            "convolve_pairs": lambda m, c: m.convolve_pairs(c.geometry, c.images, c.levels),
            "pool_means": lambda m, c: m.pool_means(c.x, c.pools),
            "pool_levels": lambda m, c: m.pool_levels(c.x, c.pools),
            "pool_log_sums": lambda m, c: m.pool_log_sums(c.x, c.pools),
            "pool_draw": lambda m, c: m.pool_draw(c.x, c.pools, SEED, 63, 63, 2**44 - 1, 2**40 - 200),
        }.items()
    },
    "categorical of rows": lambda m, w, p: m.categorical(*_groups(p, 21), 0, 0, 0, 0, p.ids),
    "uniform_u32": lambda m, w, p: m.uniform_u32(*p.x.shape, SEED, 7, 1, STEP, FIRST_ROW),
    "uniform_u32 of rows": lambda m, w, p: m.uniform_u32(*p.x.shape, 2**64 - 1, 0, 63, 1, p.ids),
    "philox4x32": lambda m, w, p: m.philox4x32(*_counters(p)),
    "shuffle_keys": lambda m, w, p: m.shuffle_keys(p.x.size, SEED, 2**32 - 1, 1),
    "argsort": lambda m, w, p: m.argsort(m.shuffle_keys(p.x.size, SEED, 0, 1)),
    "normal_weights": lambda m, w, p: m.normal_weights(*p.W.shape, 0.01, SEED, 63, 5),
    "gibbs": lambda m, w, p: m.gibbs(w, p.a, p.b, p.v, 3, SEED, 7),
    "gibbs of rows": lambda m, w, p: m.gibbs(w, p.a, p.b, p.v, 1, SEED, 7, 1, 2**32 - 1, p.ids),
    "gibbs, clamped": lambda m, w, p: m.gibbs(w, p.a, p.b, p.v, 2, SEED, 9, 0, STEP, FIRST_ROW, p.clamp),
    **{
        f"gibbs, {name}": lambda m, w, p, name=name: m.gibbs(
            w, p.a, p.b, p.v, 2, SEED, 9, 0, STEP, FIRST_ROW, p.clamp, _layers(p, name)
        )
        for name in LAYERS
    },
    "gibbs, no steps": lambda m, w, p: m.gibbs(w, p.a, p.b, p.v, 0, SEED, 9),
    "sweep": lambda m, w, p: _swept(m, p, None, SEED, 7, 1, STEP, FIRST_ROW, beta=0.3),
    **{
        f"sweep, groups of {size}": lambda m, w, p, size=size: _swept(
            m, p, size, SEED, 9, 0, 2**32 - 1, p.ids
        )
        for size in (2, 21, 33, "of all sizes")
    },
    "anneal": lambda m, w, p: _annealed(m, w, p, p.betas, SEED, 12, 0, STEP, FIRST_ROW),
    "anneal of rows, back": lambda m, w, p: _annealed(m, w, p, p.betas[::-1].copy(), SEED, 12, 5, 7, p.ids),
    "anneal, no steps": lambda m, w, p: _annealed(m, w, p, p.betas[:1], SEED, 12),
    **{
        f"anneal, {name}": lambda m, w, p, name=name: _annealed(
            m, w, p, p.betas, SEED, 12, 5, 7, p.ids, _layers(p, name)
        )
        for name in LAYERS
    },
    **{
        f"log_sums, {name}, {'low' if low else 'no low'} sites": lambda m, w, p, name=name, low=low: _summed(
            m, p, 2, LAYERS[name][1], low=low
        )
        for name in LAYERS
        for low in (True, False)
    },
    "log_sum_exp": lambda m, w, p: m.log_sum_exp(p.x.ravel().astype(np.float64)),
    "temper": lambda m, w, p: _tempered(m, w, p, p.betas[[0, 2, 4]], 4, 13, SEED, 15, 0, STEP, FIRST_ROW),
    "temper, two betas": lambda m, w, p: _tempered(m, w, p, p.betas[[0, 4]], 2, 13, SEED, 15, 3, 7),
    "temper, many betas": lambda m, w, p: _tempered(
        m, w, p, np.linspace(0, 1, 520, dtype=np.float32), 1, 17, SEED, 16, rows=1
    ),
    **{
        f"temper, {name}": lambda m, w, p, name=name: _tempered(
            m, w, p, p.betas[[0, 1, 2, 4]], 3, 17, SEED, 16, 5, 6, 9, _layers(p, name), 2
        )
        for name in LAYERS
    },
    "class_log_weights": lambda m, w, p: m.class_log_weights(p.x, p.class_weights, p.class_bias),
    "class_expectations": lambda m, w, p: m.class_expectations(p.x, p.class_weights, p.class_probabilities),
    "class_expectations, cut off": lambda m, w, p: m.class_expectations(
        p.x, p.class_weights, np.ones_like(p.class_probabilities)
    ),
    "log_conditionals": lambda m, w, p: m.log_conditionals(p.x, p.W, p.a, p.v, _some(len(p.a))),
    "log_conditionals of grey levels": lambda m, w, p: m.log_conditionals(
        p.x, p.W, p.a, p.v_grey, _some(len(p.a))
    ),
    **{
        f"log_conditionals of groups of {size}": lambda m, w, p, size=size: _of_sites(m, p, size)
        for size in (1, 2, 21, "of all sizes")
    },
    **{
        f"contrast: {name}": lambda m, w, p, phases=phases: m.contrast(*phases(p))
        for name, phases in PHASES.items()
    },
    **{
        f"contrast: {name}, {'paired ' * paired}weights": lambda m, w, p, phases=phases, paired=paired: (
            _weighted(m, *phases(p), p.row_weights, paired)
        )
        for name, phases in PHASES.items()
        for paired in (False, True)
        if not (paired and "fewer" in name)
    },
    "contrast: equal weights": lambda m, w, p: _weighted(
        m, *PHASES["binary"](p), np.full_like(p.row_weights, 0.3), False
    ),
    **{
        f"update: {name}": lambda m, w, p, s=settings: _updated(m, p, s, 0.1, 0.7)
        for name, settings in SETTINGS.items()
    },
    "add_bias_sigmoid": lambda m, w, p: _in_place(m.add_bias_sigmoid, p.net, p.b),
    "softmax": lambda m, w, p: _in_place(m.softmax, p.net, p.b),
    "drop": lambda m, w, p: _dropped(m, p, 0.3, SEED, 25, 2, STEP, FIRST_ROW),
    "drop of rows": lambda m, w, p: _dropped(m, p, 0.9, 1, 25, 0, 7, p.ids),
    "backward": lambda m, w, p: _in_place(m.backward, p.targets, p.net, p.targets),
    "backward, linear": lambda m, w, p: _in_place(m.backward, p.net, None, p.targets),
    "backward, nothing dropped": lambda m, w, p: _in_place(m.backward, p.targets, p.net),
    "softmax_cross_entropy": lambda m, w, p: _in_place(m.softmax_cross_entropy, p.net, p.b, p.labels),
    "sigmoid_cross_entropy": lambda m, w, p: _in_place(m.sigmoid_cross_entropy, p.net, p.b, p.targets),
    "squared_error": lambda m, w, p: _in_place(m.squared_error, p.net, p.b, p.targets),
    "momentum_step": lambda m, w, p: _stepped(m.momentum_step, p, 1, 0.01, 0.1, 0.7, 1e-3),
    "momentum_step without decay": lambda m, w, p: _stepped(m.momentum_step, p, 1, 0.01, 0.1, 0.0, 0.0),
    "adam_step": lambda m, w, p: _stepped(
        m.adam_step, p, 2, 0.01, 0.001, 0.9, 0.999, 1e-8, 1e-3, 0.729, 0.997
    ),
    "update: exponent drops": lambda m, w, p: _updated(m, p, SETTINGS["plain"], 1e4, 0.0),
}


def _counters(p: Problem) -> tuple[Any, Any]:
    words = np.random.default_rng(p.x.shape).integers(0, 2**32, (6, len(p.x)), dtype=np.uint32).T
    return np.ascontiguousarray(words[:, :4]), np.ascontiguousarray(words[:, 4:])


# --- Learning: one line each -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipe:
    """How to learn for a few updates; rows per batch come with the sizes."""

    k: int = 1
    chains: int | None = None  # persistent chains: this many more than rows in a batch
    settings: UpdateSettings = field(default_factory=UpdateSettings)
    rates: tuple[float, ...] = (0.1,)  # repeated
    momenta: tuple[float, ...] = (0.0,)
    extra_rows: int = 0  # beyond two whole batches; negative: the second batch is short
    grey: bool = False
    weighted: bool = False
    layers: str | None = None  # one of LAYERS
    missing: str = ""  # "random", "begin" or "absent"
    fast: tuple[float, float] | None = None  # rate and decay of fast parameters


RECIPES: dict[str, Recipe] = {
    "CD-1": Recipe(),
    "CD-3": Recipe(k=3),
    "PCD-1": Recipe(chains=0),
    "PCD-3": Recipe(chains=0, k=3),
    "PCD, more chains": Recipe(chains=5),
    "PCD, fewer chains": Recipe(chains=-1, k=2),
    "PCD, many chains": Recipe(chains=70),
    "short last batch": Recipe(extra_rows=-1, k=2),
    "last batch of one": Recipe(extra_rows=1),
    "PCD, last batch of one": Recipe(extra_rows=1, chains=0),
    "momentum": Recipe(momenta=(0.9,), rates=(0.5,)),
    "momentum sets in": Recipe(momenta=(0.0, 0.0, 0.6), rates=(0.5,), extra_rows=1),
    "changing rates": Recipe(rates=(0.5, 0.01, 0.3), momenta=(0.5, 0.0, 0.9), extra_rows=1),
    **{f"CD, {name}": Recipe(settings=settings) for name, settings in SETTINGS.items()},
    **{f"PCD, {name}": Recipe(settings=settings, chains=3) for name, settings in SETTINGS.items()},
    "everything": Recipe(3, 2, EVERYTHING, (0.5, 0.1), (0.3, 0.9), 1),
    "exponent drops": Recipe(rates=(0.1, 2e4, 3e8), extra_rows=1),
    "exponent drops, PCD": Recipe(rates=(0.1, 2e4, 3e8), extra_rows=1, chains=1),
    "CD, weights": Recipe(weighted=True, extra_rows=1),
    "CD-2, weights, everything": Recipe(2, settings=EVERYTHING, weighted=True),
    "PCD, weights": Recipe(weighted=True, chains=0),
    "PCD, weights, everything": Recipe(2, 5, EVERYTHING, weighted=True, extra_rows=-1),
    "grey CD, weights": Recipe(grey=True, weighted=True, settings=EVERYTHING),
    "grey PCD, weights": Recipe(grey=True, weighted=True, chains=0),
    "missing": Recipe(missing="random", extra_rows=1),
    "missing, CD-3": Recipe(3, missing="begin", weighted=True, settings=EVERYTHING),
    "missing, PCD, fewer chains": Recipe(chains=-1, missing="begin"),
    "missing, PCD, more chains": Recipe(2, 5, EVERYTHING, missing="random", extra_rows=-1),
    "missing, grey": Recipe(grey=True, missing="begin"),
    "absent": Recipe(missing="absent", extra_rows=1),
    "absent, CD-3": Recipe(3, missing="absent", weighted=True),
    "absent, grey": Recipe(grey=True, missing="absent"),
    "grey CD": Recipe(grey=True),
    "grey CD-3": Recipe(grey=True, k=3, settings=EVERYTHING),
    "grey PCD": Recipe(grey=True, chains=0),
    "grey PCD, more chains": Recipe(grey=True, chains=5, settings=EVERYTHING, extra_rows=1),
    **{f"CD-2, {name}": Recipe(k=2, layers=name) for name in LAYERS},
    **{f"PCD, {name}": Recipe(chains=5, extra_rows=1, layers=name, settings=EVERYTHING) for name in LAYERS},
    "grey CD, groups": Recipe(grey=True, layers="mixed and groups"),
    "weighted CD, groups": Recipe(weighted=True, layers="ragged groups and mixed"),
    "missing, groups": Recipe(2, 3, missing="begin", layers="ragged groups and mixed"),
    "missing, grey groups": Recipe(grey=True, missing="random", layers="mixed and groups"),
    "absent, groups": Recipe(2, missing="absent", layers="mixed and groups"),
    "FPCD-1": Recipe(chains=0, fast=(0.3, 0.9)),
    "FPCD-3, everything": Recipe(3, 5, EVERYTHING, (0.5, 0.1), (0.3, 0.9), 1, fast=(0.01, 1.0)),
    "FPCD-2, many chains": Recipe(2, 70, settings=SETTINGS["centred"], extra_rows=2, fast=(0.05, 0.5)),
    "FPCD, exponents drop": Recipe(2, 1, rates=(0.1, 2e4, 3e8), extra_rows=1, fast=(3e5, 0.5)),
    "grey FPCD, weights, groups": Recipe(
        grey=True, weighted=True, chains=-1, layers="mixed and groups", fast=(0.1, 0.95)
    ),
    "missing, FPCD": Recipe(2, 5, EVERYTHING, missing="random", extra_rows=-1, fast=(0.2, 0.95)),
}


def learn(m: Any, recipe: Recipe, p: Problem) -> Any:
    """What `m.epoch` makes of a problem: the state, the chains, and how many updates there were."""
    batch = len(p.v)
    n = max(1, 2 * batch + recipe.extra_rows)
    X = np.concatenate([p.v_grey if recipe.grey else p.v] * 2)
    rng = np.random.default_rng(n)
    order = rng.integers(0, len(X), n)
    row_ids = rng.integers(0, 2**40, n)
    n_updates = -(-n // batch)
    rates, momenta = (np.resize(np.float32(values), n_updates) for values in (recipe.rates, recipe.momenta))
    chains = None
    if recipe.chains is not None:
        shape = (max(1, batch + recipe.chains), p.W.shape[1])
        chains = (rng.random(shape) < 0.5).astype(np.uint8)
    state = copy.deepcopy(p.state)
    weights = np.resize(p.row_weights, n) if recipe.weighted else None
    layers = (None, None) if recipe.layers is None else _layers(p, recipe.layers)
    missing = _missing(recipe.missing, X, order, p, rng) if recipe.missing else None
    if missing is not None:
        X = np.where(missing.entries, X.dtype.type(0), X)
    fast = None if recipe.fast is None else _fast(p, *recipe.fast)
    arguments = (batch, recipe.k, chains, rates, momenta, SEED, 3, 1, STEP, weights, layers, missing)
    done = m.epoch(state, recipe.settings, X, order, row_ids, *arguments, fast=fast)
    return state, chains, done, None if missing is None else missing.hidden, fast


def _fast(p: Problem, rate: float, decay: float) -> Fast:
    W, a, b = (np.float32(0.5) * x[::-1].copy() for x in (p.W, p.a, p.b))
    return Fast(W, a, b, rate, decay)


def _missing(kind: str, X: Any, order: Any, p: Problem, rng: Any) -> Missing:
    """A third of the entries of two rows in three."""
    entries = (rng.random(X.shape) < 0.3) & (rng.random((len(X), 1)) < 0.7)
    if kind == "absent":
        return Missing(entries)
    chains = np.where(entries.any(axis=1), np.arange(len(X)), -1)[order]
    hidden = (rng.random((len(X), p.W.shape[1])) < 0.5).astype(np.uint8)
    return Missing(entries, chains, hidden, rng.integers(0, 2**40, len(X))[order], kind == "begin", 37)


# --- Comparison --------------------------------------------------------------------------------------------


def bits(result: Any) -> Any:
    """Anything a call returns, such that == compares bit for bit, types and shapes included."""
    if isinstance(result, np.ndarray):
        return result.dtype.str, result.shape, hashlib.sha256(np.ascontiguousarray(result)).hexdigest()
    if dataclasses.is_dataclass(result):
        return {name: bits(value) for name, value in vars(result).items()}
    return [bits(part) for part in result] if isinstance(result, tuple) else result


Sizes = tuple[int, int, int, str]  # visible units, hidden units, rows, kind of weights


@cache
def expected_call(name: str, sizes: Sizes) -> Any:
    p = problem(*sizes)
    return bits(CALLS[name](reference, _reference_weights(sizes), p))


@cache
def _reference_weights(sizes: Sizes) -> reference.Weights:
    return reference.Weights(problem(*sizes).W)


@cache
def expected_learning(name: str, sizes: Sizes) -> Any:
    return bits(learn(reference, RECIPES[name], problem(*sizes)))


def learns_alike(name: str, sizes: Sizes) -> bool:
    """Whether the engine, as it is set now, learns the reference's bits by a recipe."""
    return bool(bits(learn(engine, RECIPES[name], problem(*sizes))) == expected_learning(name, sizes))


def differing_calls(sizes: Sizes) -> list[str]:
    """Names of the engine's calls that do not give the reference's bits."""
    p = problem(*sizes)
    weights = engine.Weights(p.W)
    return [
        name for name, call in CALLS.items() if bits(call(engine, weights, p)) != expected_call(name, sizes)
    ]
