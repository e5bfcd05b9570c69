# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The engine's face to Python: checks shapes, allocates results, releases the GIL, calls C.

Functions have the names, arguments and results of `rbmfast.reference`, bit for bit.
"""
# No call needs the GIL. What they share is C's: the choice of kernels and the numbers of threads, single atomics
# (src/dispatch.c, src/parallel/team.c). `Weights` never change once made, all other objects here live for one call,
# and every call works without the GIL anyway. So callers owe each other what they do with one: arrays that a call
# reads stay as they are until it returns, and arrays that it writes are its own.

import math
import os

import numpy as np

from cpython.buffer cimport PyBUF_ANY_CONTIGUOUS, PyBUF_SIMPLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.string cimport memcpy


# --- This machine ----------------------------------------------------------------------------------------


def set_default_threads(int n):
    """Until a number is set: up to `n` threads, but no more than OpenMP allows the calling thread."""
    rbmk_set_default_threads(n)


def set_num_threads(int n):
    """Use up to `n` threads from the next call on."""
    rbmk_set_num_threads(n)


def limit_threads(int n):
    """Let calls from this Python thread use at most `n` threads (0: no limit); returns the former limit."""
    return rbmk_limit_threads(n)


def set_least_thread_time(double nanoseconds):
    """Start a thread for no less work than this; 0 to use all threads always (tests do)."""
    rbmk_set_least_thread_time(nanoseconds)


def get_num_threads():
    """Threads that calls use: 1 in a forked child and in a build without OpenMP."""
    return rbmk_get_num_threads()


def _isa_names():
    return [rbmk_isa_name(i).decode() for i in range(rbmk_isa_count())]


def select_isa(str name):
    """Use the kernels of this instruction set; existing `Weights` keep theirs."""
    names = _isa_names()
    if name not in names:
        raise ValueError(f"unknown instruction set {name!r}; choose one of {', '.join(names)}")
    cdef int isa = names.index(name)
    if not rbmk_isa_built(isa):
        reason = "it is another kind of CPU's, or the compiler is too old"
        raise ValueError(f"instruction set {name!r} was not built: {reason}")
    if not rbmk_isa_select(isa):
        raise ValueError(f"instruction set {name!r} is not available on this CPU")


def config():
    """What the engine was built with and runs on, as a dict."""
    names = _isa_names()
    return {
        "isa": names[rbmk_isa_current()],
        "isa_built": tuple([n for i, n in enumerate(names) if rbmk_isa_built(i)]),
        "isa_available": tuple([n for i, n in enumerate(names) if rbmk_isa_available(i)]),
        "openmp": bool(rbmk_has_openmp()),
        "compiler": rbmk_compiler().decode(),
        "threads": rbmk_get_num_threads(),
    }


def is_fast_with_levels():
    """Whether products with 16-bit states are faster here than float64 matrix products of a BLAS."""
    return rbmk_isa_name(rbmk_isa_current()) in (b"avx2", b"avx512", b"amx")


# --- Arguments -------------------------------------------------------------------------------------------


cdef struct Rows:
    rbmk_states states
    int width


cdef _check(rbmk_status status):
    if status == RBMK_NO_MEMORY:
        raise MemoryError("not enough memory for the engine's buffers")
    if status == RBMK_TOO_LARGE:
        raise ValueError("the weights are too large to quantise")
    if status == RBMK_NOT_FINITE:
        raise FloatingPointError("a weight is not finite")


cdef class Steps:
    """Real-valued states as integers, 2048 of which are 1: what `real_states` makes."""

    cdef readonly object levels

    def __init__(self, levels):
        self.levels = levels

    def __len__(self):
        return len(self.levels)

    @property
    def shape(self):
        return self.levels.shape


cdef Rows _states(object array, int width, bint real=False) except *:
    """View of uint8 or uint16 states, or of `Steps` where they are allowed; the caller keeps `array` alive."""
    if real and isinstance(array, Steps):
        return _real(array, width)
    cdef const uint8_t[:, ::1] bits
    cdef const uint16_t[:, ::1] grey
    cdef Rows rows
    if array.dtype == np.uint8:
        bits = array
        rows.states.data = &bits[0, 0] if bits.shape[0] and bits.shape[1] else NULL
        rows.states.grey = 0
        rows.states.n = bits.shape[0]
        rows.width = <int>bits.shape[1]
    elif array.dtype == np.uint16:
        grey = array
        rows.states.data = &grey[0, 0] if grey.shape[0] and grey.shape[1] else NULL
        rows.states.grey = 1
        rows.states.n = grey.shape[0]
        rows.width = <int>grey.shape[1]
    else:
        raise TypeError(f"states must be uint8 or uint16, got {array.dtype}")
    rows.states.stride = rows.width
    if rows.width != width:
        raise ValueError(f"states must have {width} columns, got {rows.width}")
    return rows


cdef Rows _numbers(const float[:, ::1] x, int width) except *:
    """View of real-valued rows."""
    cdef Rows rows
    rows.states.data = &x[0, 0] if x.shape[0] and x.shape[1] else NULL
    rows.states.grey = RBMK_REAL
    rows.states.n = x.shape[0]
    rows.states.stride = rows.width = <int>x.shape[1]
    if rows.width != width:
        raise ValueError(f"states must have {width} columns, got {rows.width}")
    return rows


cdef Rows _real(Steps steps, int width) except *:
    cdef Rows rows = _states(steps.levels, width)
    rows.states.grey = RBMK_REAL
    return rows


cdef const float[::1] _vector(object array, Py_ssize_t length, str name) except *:
    cdef const float[::1] view = array
    if view is None:
        raise TypeError(f"{name} must be a float32 array, got None")
    if view.shape[0] != length:
        raise ValueError(f"{name} must have length {length}, got {view.shape[0]}")
    return view


cdef class _Stream:
    """Keeps row ids alive while C reads them."""

    cdef rbmk_stream c
    cdef const int64_t[::1] ids

    def __init__(self, int64_t n, seed, purpose, layer, step, rows):
        self._check("purpose", purpose, 6)
        self._check("layer", layer, 6)
        self._check("step", step, 44)
        self.c.seed = seed
        self.c.purpose = purpose
        self.c.layer = layer
        self.c.step = step
        self.c.rows = NULL
        self.c.first_row = 0
        if isinstance(rows, int):
            self._check("rows", rows, 40)
            self._check("rows", rows + max(n - 1, 0), 40)
            self.c.first_row = rows
        else:
            self.ids = rows
            if self.ids.shape[0] != n:
                raise ValueError(f"rows must have length {n}, got {self.ids.shape[0]}")
            if n:
                self._check("rows", rows.min(), 40)
                self._check("rows", rows.max(), 40)
                self.c.rows = &self.ids[0]

    cdef _check(self, str name, value, bits):  # bits: a Python int, so that the shift cannot overflow
        """A field that overflowed would repeat the random numbers of another."""
        if value < 0 or value >> bits:
            raise ValueError(f"{name} must lie in 0 to 2**{bits} - 1, got {value}")


cdef const int32_t[::1] _starts(sizes, int n_units, int first=0) except *:
    """Where groups of these sizes start, and where the last one ends."""
    sizes = np.asarray(sizes)
    if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or not len(sizes) or sizes.min() < 1 or sizes.sum() != n_units:
        raise ValueError(f"sizes of groups must be at least 1 and make {n_units} units, got {sizes}")
    return (first + np.concatenate([[0], np.cumsum(sizes)])).astype(np.int32)


cdef class _Layer:
    """Keeps blocks alive while C reads them: numbers of switches, and arrays of the sizes of groups."""

    cdef rbmk_layer c
    cdef rbmk_block *blocks
    cdef list starts

    def __cinit__(self):
        self.blocks = NULL
        self.c.n_blocks = 0
        self.c.blocks = NULL

    def __init__(self, blocks, int n_units):
        cdef const int32_t[::1] start
        cdef int first = 0, n
        self.starts = []
        if blocks is None:
            return
        self.blocks = <rbmk_block *>PyMem_Malloc(max(len(blocks), 1) * sizeof(rbmk_block))
        if not self.blocks:
            raise MemoryError
        for i, block in enumerate(blocks):
            n = block if isinstance(block, int) else block.sum()
            if n < 1 or n > n_units - first:
                raise ValueError(f"blocks must make {n_units} units, got {blocks}")
            self.blocks[i] = rbmk_block(first, n, 0, NULL)
            if not isinstance(block, int):
                start = _starts(block, n, first)
                self.starts.append(start)
                self.blocks[i].n_groups = <int>len(block)
                self.blocks[i].start = &start[0]
            first += n
        if first != n_units:
            raise ValueError(f"blocks must make {n_units} units, got {blocks}")
        if len(blocks) > 1 or self.starts:
            self.c.n_blocks = <int>len(blocks)
            self.c.blocks = self.blocks

    def __dealloc__(self):
        PyMem_Free(self.blocks)


# --- Weights ---------------------------------------------------------------------------------------------


cdef _check_exponent(int exponent):
    if not RBMK_MIN_EXPONENT <= exponent <= RBMK_MAX_EXPONENT:
        raise ValueError(f"exponent must lie in {RBMK_MIN_EXPONENT} to {RBMK_MAX_EXPONENT}, got {exponent}")


def exponent(const float[:, ::1] W not None, int start=RBMK_MAX_EXPONENT):
    """The largest exponent <= start at which W can be quantised."""
    cdef int e = 0
    cdef rbmk_status status
    _check_exponent(start)
    if W.shape[0] < 1 or W.shape[1] < 1:
        raise ValueError("W must not be empty")
    with nogil:
        status = rbmk_exponent(&W[0, 0], <int>W.shape[0], <int>W.shape[1], start, &e)
    _check(status)
    return e


cdef class Weights:
    """Quantised weights in the layout of the instruction set that was selected when they were made."""

    cdef rbmk_weights c
    cdef bint ready

    def __cinit__(self, const float[:, ::1] W not None, int start_exponent=RBMK_MAX_EXPONENT):
        _check_exponent(start_exponent)
        if W.shape[0] < 1 or W.shape[1] < 1 or W.shape[0] >= 2**31 or W.shape[1] >= 2**31:
            raise ValueError(f"W must have between 1 and 2**31 - 1 rows and columns, got {W.shape[0]} x {W.shape[1]}")
        cdef rbmk_status status
        with nogil:
            status = rbmk_weights_create(&self.c, &W[0, 0], <int>W.shape[0], <int>W.shape[1], start_exponent)
        _check(status)
        self.ready = True

    def __dealloc__(self):
        if self.ready:
            rbmk_weights_free(&self.c)

    @property
    def exponent(self):
        return self.c.exponent

    @property
    def shape(self):
        return (self.c.n_visible, self.c.n_hidden)


# --- Passes ----------------------------------------------------------------------------------------------


cdef _pass(Weights weights, states, bias, bint up, rbmk_outputs out, _Stream stream):
    cdef int n_in = weights.c.n_visible if up else weights.c.n_hidden
    cdef int n_out = weights.c.n_hidden if up else weights.c.n_visible
    cdef Rows rows = _states(states, n_in, real=True)
    cdef const float[::1] b = _vector(bias, n_out, "bias")
    cdef rbmk_stream *s = &stream.c if stream is not None else NULL
    cdef rbmk_status status
    if rows.states.n == 0:
        return
    with nogil:
        status = rbmk_pass(&weights.c, up, rows.states, &b[0], out, s)
    _check(status)


cdef _shape(Weights weights, states, bint up):
    return (len(states), weights.c.n_hidden if up else weights.c.n_visible)


cdef rbmk_outputs _nothing() noexcept:
    cdef rbmk_outputs out
    out.input = NULL
    out.probability = NULL
    out.sample = NULL
    out.softplus = NULL
    return out


def affine(Weights weights not None, states, bias, bint up=True):
    """Total inputs of the other layer."""
    result = np.empty(_shape(weights, states, up), np.float32)
    cdef float[:, ::1] view = result
    cdef rbmk_outputs out = _nothing()
    out.input = &view[0, 0] if result.size else NULL
    _pass(weights, states, bias, up, out, None)
    return result


def affine_sigmoid(Weights weights not None, states, bias, bint up=True):
    """Conditional probabilities of the other layer."""
    result = np.empty(_shape(weights, states, up), np.float32)
    cdef float[:, ::1] view = result
    cdef rbmk_outputs out = _nothing()
    out.probability = &view[0, 0] if result.size else NULL
    _pass(weights, states, bias, up, out, None)
    return result


def affine_sigmoid_bernoulli(Weights weights not None, states, bias, seed, purpose, layer, step, rows=0,
                             bint up=True):
    """Samples of the other layer."""
    result = np.empty(_shape(weights, states, up), np.uint8)
    cdef uint8_t[:, ::1] view = result
    cdef rbmk_outputs out = _nothing()
    out.sample = &view[0, 0] if result.size else NULL
    _pass(weights, states, bias, up, out, _Stream(len(states), seed, purpose, layer, step, rows))
    return result


def affine_softplus_sum(Weights weights not None, states, bias, bint up=True):
    """Row sums of the softplus of the other layer's total inputs."""
    result = np.empty(len(states), np.float64)
    cdef double[::1] view = result
    cdef rbmk_outputs out = _nothing()
    out.softplus = &view[0] if result.size else NULL
    _pass(weights, states, bias, up, out, None)
    return result


def gibbs(Weights weights not None, a, b, visible, int64_t steps, seed, purpose, layer=0, first_step=0, rows=0,
          clamp=None, blocks=(None, None)):
    """Block Gibbs sampling; returns the last visible and hidden states. Blocks of both layers: see `Unit.blocks`."""
    if visible.dtype != np.uint8:
        raise TypeError(f"visible states must be uint8, got {visible.dtype}")
    _states(visible, weights.c.n_visible)
    v = np.array(visible, np.uint8, order="C")
    h = np.zeros((len(v), weights.c.n_hidden), np.uint8)
    cdef uint8_t[:, ::1] v_view = v
    cdef uint8_t[:, ::1] h_view = h
    cdef const uint8_t[:, ::1] clamp_view = clamp
    cdef const uint8_t *clamp_data = NULL
    cdef const float[::1] a_view = _vector(a, weights.c.n_visible, "a")
    cdef const float[::1] b_view = _vector(b, weights.c.n_hidden, "b")
    cdef _Stream stream = _Stream(len(v), seed, purpose, layer, first_step, rows)
    cdef _Layer v_layer = _Layer(blocks[0], weights.c.n_visible), h_layer = _Layer(blocks[1], weights.c.n_hidden)
    cdef rbmk_layers layers = rbmk_layers(v_layer.c, h_layer.c)
    cdef rbmk_status status
    cdef int64_t n = len(v)
    if steps < 0:
        raise ValueError(f"steps must be at least 0, got {steps}")
    if n == 0:
        return v, h
    if clamp is not None:
        if clamp_view.shape[0] != n or clamp_view.shape[1] != weights.c.n_visible:
            raise ValueError(f"clamp must have the shape of visible, got {clamp.shape}")
        clamp_data = &clamp_view[0, 0]
    with nogil:
        status = c_gibbs(&weights.c, &a_view[0], &b_view[0], &v_view[0, 0], &h_view[0, 0], n, steps, stream.c,
                         clamp_data, &layers)
    _check(status)
    return v, h


def anneal(Weights weights not None, a, b, base, visible, log_weights, betas, seed, purpose, layer=0, first_step=0,
           rows=0, blocks=(None, None)):
    """Gibbs steps of models on the way to this one; returns the last visible states and the log-weights."""
    if visible.dtype != np.uint8:
        raise TypeError(f"visible states must be uint8, got {visible.dtype}")
    _states(visible, weights.c.n_visible)
    v = np.array(visible, np.uint8, order="C")
    log_w = np.array(log_weights, np.float64)
    cdef uint8_t[:, ::1] v_view = v
    cdef double[::1] log_w_view = log_w
    cdef const float[::1] a_view = _vector(a, weights.c.n_visible, "a")
    cdef const float[::1] b_view = _vector(b, weights.c.n_hidden, "b")
    cdef const float[::1] base_view = _vector(base, weights.c.n_visible, "base")
    cdef const float[::1] betas_view = betas
    cdef int64_t n = len(v), n_betas = len(betas)
    cdef _Stream stream = _Stream(n, seed, purpose, layer, first_step, rows)
    cdef _Layer v_layer = _Layer(blocks[0], weights.c.n_visible), h_layer = _Layer(blocks[1], weights.c.n_hidden)
    cdef rbmk_layers layers = rbmk_layers(v_layer.c, h_layer.c)
    cdef rbmk_status status
    if log_w_view.shape[0] != n:
        raise ValueError(f"log_weights must have length {n}, got {log_w_view.shape[0]}")
    if n == 0 or n_betas < 2:
        return v, log_w
    with nogil:
        status = rbmk_anneal(&weights.c, &a_view[0], &b_view[0], &base_view[0], &betas_view[0], n_betas,
                             &v_view[0, 0], &log_w_view[0], n, stream.c, &layers)
    _check(status)
    return v, log_w


def temper(Weights weights not None, a, b, base, hidden, betas, int64_t steps, swaps, seed, purpose, layer=0,
           first_step=0, first_chain=0, blocks=(None, None), shown=None):
    """Steps of replicas and rounds of swaps; returns the last visible and hidden states, and which swapped."""
    if hidden.dtype != np.uint8:
        raise TypeError(f"hidden states must be uint8, got {hidden.dtype}")
    _states(hidden, weights.c.n_hidden)
    cdef const float[::1] betas_view = betas
    cdef int64_t n_betas = len(betas), n = len(hidden) // max(n_betas, 1)
    if not 2 <= n_betas < 2**31 or len(hidden) != n * n_betas:
        raise ValueError(f"hidden must have a multiple of {n_betas} rows for 2 or more betas, got {len(hidden)}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    cdef int n_shown = <int>n_betas if shown is None else shown
    if not 1 <= n_shown <= n_betas:
        raise ValueError(f"shown must be 1 to {n_betas} or None, got {shown}")
    v = np.empty((n_shown * n, weights.c.n_visible), np.uint8)
    h = np.array(hidden, np.uint8, order="C")
    accepted = np.zeros((steps, n_betas - 1, n), np.uint8)
    cdef uint8_t[:, ::1] v_view = v
    cdef uint8_t[:, ::1] h_view = h
    cdef uint8_t[:, :, ::1] accepted_view = accepted
    cdef const float[::1] a_view = _vector(a, weights.c.n_visible, "a")
    cdef const float[::1] b_view = _vector(b, weights.c.n_hidden, "b")
    cdef const float[::1] base_view = _vector(base, weights.c.n_visible, "base")
    cdef _Stream stream = _Stream(n, seed, purpose, layer, first_step, first_chain)
    _Stream(n * n_betas, seed, swaps, layer, first_step, first_chain * n_betas)
    cdef uint32_t of_swaps = swaps
    cdef _Layer v_layer = _Layer(blocks[0], weights.c.n_visible), h_layer = _Layer(blocks[1], weights.c.n_hidden)
    cdef rbmk_layers layers = rbmk_layers(v_layer.c, h_layer.c)
    cdef rbmk_status status
    if n:
        with nogil:
            status = rbmk_temper(&weights.c, &a_view[0], &b_view[0], &base_view[0], &betas_view[0], <int>n_betas,
                                 &v_view[0, 0], n_shown, &h_view[0, 0], &accepted_view[0, 0, 0], n, steps, stream.c,
                                 of_swaps, &layers)
        _check(status)
    return v, h, accepted.view(np.bool_)


def sweep(Weights weights not None, bias, states, int64_t sweeps, seed, purpose, layer=0, first_step=0, rows=0,
          held=None, blocks=None, float beta=1.0):
    """Gibbs sweeps of units that are joined to each other; returns the last states. One block: see `Unit.blocks`."""
    if states.dtype != np.uint8:
        raise TypeError(f"states must be uint8, got {states.dtype}")
    cdef int n_units = weights.c.n_visible
    if weights.c.n_hidden != n_units:
        raise ValueError(f"weights must be square, got {weights.shape}")
    _states(states, n_units)
    drawn = np.array(states, np.uint8, order="C")
    cdef uint8_t[:, ::1] view = drawn
    cdef const uint8_t[:, ::1] held_view = held
    cdef const uint8_t *held_data = NULL
    cdef const float[::1] bias_view = _vector(bias, n_units, "bias")
    cdef int64_t n = len(drawn)
    cdef _Stream stream = _Stream(n, seed, purpose, layer, first_step, rows)
    cdef _Layer units = _Layer(blocks, n_units)
    cdef rbmk_status status
    if units.c.n_blocks > 1:
        raise ValueError(f"blocks must be one, got {blocks}")
    if sweeps < 0:
        raise ValueError(f"sweeps must be at least 0, got {sweeps}")
    if n == 0:
        return drawn
    if held is not None:
        if held_view.shape[0] != n or held_view.shape[1] != n_units:
            raise ValueError(f"held must have the shape of states, got {held.shape}")
        held_data = &held_view[0, 0]
    with nogil:
        status = rbmk_sweep(&weights.c, beta, &bias_view[0], &view[0, 0], n, sweeps, stream.c, held_data, &units.c)
    _check(status)
    return drawn


# --- States from floats ----------------------------------------------------------------------------------


cdef rbmk_floats _floats(object x, view) except *:
    """A C-contiguous array; the caller keeps its flat `view` as bytes alive."""
    cdef const uint8_t[::1] data = view
    cdef rbmk_floats floats
    floats.data = &data[0] if data.shape[0] else NULL
    floats.doubles = x.dtype == np.float64
    floats.n = x.size
    return floats


def _bytes_of(x):
    if x.dtype not in (np.float32, np.float64) or not x.flags.c_contiguous:
        raise TypeError("x must be a C-contiguous float32 or float64 array")
    return x.reshape(-1).view(np.uint8)


def range_of(x):
    """"binary" if all values are 0 or 1, "grey" if all lie in [0, 1], else None."""
    view = _bytes_of(x)
    cdef rbmk_floats floats = _floats(x, view)
    cdef rbmk_range found
    with nogil:
        found = rbmk_range_of(floats)
    return "binary" if found == RBMK_ALL_BINARY else "grey" if found == RBMK_ALL_IN_UNIT_INTERVAL else None


def are_bits(x):
    """Whether all of a C-contiguous array of bytes are 0 or 1."""
    cdef Py_buffer view
    cdef const uint8_t *byte
    cdef uint8_t seen = 0
    cdef Py_ssize_t i
    PyObject_GetBuffer(x, &view, PyBUF_SIMPLE)
    byte = <const uint8_t *>view.buf
    with nogil:
        for i in range(view.len):
            seen |= byte[i]
    PyBuffer_Release(&view)
    return seen <= 1


def hash_of(x):
    """64 bits of all bytes of a contiguous array, in any order: a change of one number always changes them."""
    cdef uint64_t prime = 0x9E3779B97F4A7C15
    cdef uint64_t lanes[8]  # side by side, as a multiplication takes longer than reading a word
    cdef uint64_t word = 0, result = 0
    cdef Py_buffer view
    cdef Py_ssize_t i = 0
    cdef int lane
    PyObject_GetBuffer(x, &view, PyBUF_ANY_CONTIGUOUS)
    cdef const char *data = <const char *>view.buf
    with nogil:
        for lane in range(8):
            lanes[lane] = view.len
        while i + 64 <= view.len:
            for lane in range(8):
                memcpy(&word, data + i + 8 * lane, 8)
                lanes[lane] = (lanes[lane] ^ word) * prime
                lanes[lane] ^= lanes[lane] >> 32
            i += 64
        while i < view.len:
            lanes[0] = (lanes[0] ^ <uint8_t>data[i]) * prime
            i += 1
        for lane in range(8):
            result = (result ^ lanes[lane]) * prime
            result ^= result >> 32
    PyBuffer_Release(&view)
    return result


ctypedef fused State:
    uint8_t
    uint16_t


cdef rbmk_range _convert(rbmk_floats floats, State[::1] states) noexcept:
    cdef rbmk_range found = RBMK_ALL_BINARY
    if floats.n:
        with nogil:
            if State is uint8_t:
                found = rbmk_states_u8(floats, &states[0])
            else:
                found = rbmk_states_u16(floats, &states[0])
    return found


def states_u8(x):
    """uint8 states of values that are 0 or 1; None if some are not."""
    view = _bytes_of(x)
    result = np.empty(x.shape, np.uint8)
    cdef rbmk_range found = _convert[uint8_t](_floats(x, view), result.reshape(-1))
    return result if found == RBMK_ALL_BINARY else None


def states_u16(x):
    """Grey levels rint(65535 * float32(x)) of values in [0, 1]; None if some are not."""
    view = _bytes_of(x)
    result = np.empty(x.shape, np.uint16)
    cdef rbmk_range found = _convert[uint16_t](_floats(x, view), result.reshape(-1))
    return result if found != RBMK_SOME_OUTSIDE else None


def real_states(const float[:, ::1] x not None):
    """Real-valued states in steps of 1/2048, as `Steps`; None if some lie outside of [-16, 16)."""
    result = np.empty((x.shape[0], x.shape[1]), np.uint16)
    cdef uint16_t[:, ::1] out = result
    cdef bint inside = True
    if result.size:
        with nogil:
            inside = rbmk_real_states(&x[0, 0], x.shape[0] * x.shape[1], &out[0, 0])
    return Steps(result) if inside else None


# --- Functions of total inputs ---------------------------------------------------------------------------


cdef const float[::1] _flat(x) except *:
    if not isinstance(x, np.ndarray) or x.dtype != np.float32 or not x.flags.c_contiguous:
        raise TypeError("x must be a C-contiguous float32 array")
    return x.reshape(-1)


def sigmoid(x):
    """Probability that a unit is on."""
    cdef const float[::1] view = _flat(x)
    result = np.empty(x.shape, np.float32)
    cdef float[::1] out = result.reshape(-1)
    if view.shape[0]:
        with nogil:
            rbmk_sigmoid(&view[0], view.shape[0], &out[0])
    return result


def sigmoid_u16(x):
    """Probability that a unit is on, in units of 1/65535."""
    cdef const float[::1] view = _flat(x)
    result = np.empty(x.shape, np.uint16)
    cdef uint16_t[::1] out = result.reshape(-1)
    if view.shape[0]:
        with nogil:
            rbmk_sigmoid_u16(&view[0], view.shape[0], &out[0])
    return result


def softplus(x):
    """log(1 + exp(x))."""
    cdef const float[::1] view = _flat(x)
    result = np.empty(x.shape, np.float32)
    cdef float[::1] out = result.reshape(-1)
    if view.shape[0]:
        with nogil:
            rbmk_softplus(&view[0], view.shape[0], &out[0])
    return result


def log(x):
    """Natural logarithm of positive normal float32."""
    cdef const float[::1] view = _flat(x)
    result = np.empty(x.shape, np.float32)
    cdef float[::1] out = result.reshape(-1)
    if view.shape[0]:
        with nogil:
            rbmk_log(&view[0], view.shape[0], &out[0])
    return result


def softplus_sum(const float[:, ::1] x not None):
    """Row sums of softplus(x)."""
    result = np.zeros(x.shape[0], np.float64)
    cdef double[::1] out = result
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_softplus_sum(&x[0, 0], x.shape[0], <int>x.shape[1], &out[0])
    return result


def weighted_sum(states, const float[::1] weights not None):
    """sum_i states_i * weights_i."""
    cdef Rows rows = _states(states, <int>weights.shape[0])
    result = np.zeros(rows.states.n, np.float64)
    cdef double[::1] out = result
    if rows.states.n:
        with nogil:
            rbmk_weighted_sum(rows.states, rows.width, &weights[0], &out[0])
    return result


def bernoulli(const float[:, ::1] x not None, seed, purpose, layer, step, rows=0):
    """Sample units whose total input is x."""
    cdef _Stream stream = _Stream(x.shape[0], seed, purpose, layer, step, rows)
    result = np.empty((x.shape[0], x.shape[1]), np.uint8)
    cdef uint8_t[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_bernoulli(&x[0, 0], x.shape[0], <int>x.shape[1], &stream.c, &out[0, 0])
    return result


def add_normal(const float[:, ::1] x not None, seed, purpose, layer, step, rows=0):
    """x plus a standard normal number for each unit."""
    cdef _Stream stream = _Stream(x.shape[0], seed, purpose, layer, step, rows)
    result = np.empty((x.shape[0], x.shape[1]), np.float32)
    cdef float[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_add_normal(&x[0, 0], x.shape[0], <int>x.shape[1], &stream.c, &out[0, 0])
    return result


def softmax_groups(const float[:, ::1] x not None, sizes):
    """Probabilities of the units in groups of these sizes, of which one is on."""
    cdef const int32_t[::1] start = _starts(sizes, <int>x.shape[1])
    cdef int n_groups = <int>start.shape[0] - 1
    result = np.empty((x.shape[0], x.shape[1]), np.float32)
    cdef float[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_softmax_groups(&x[0, 0], x.shape[0], &start[0], n_groups, &out[0, 0])
    return result


def log_sum_groups(const float[:, ::1] x not None, sizes):
    """Logarithm of each group's summed exponentials: float64 (n_rows, n_groups)."""
    cdef const int32_t[::1] start = _starts(sizes, <int>x.shape[1])
    cdef int n_groups = <int>start.shape[0] - 1
    result = np.empty((x.shape[0], n_groups), np.float64)
    cdef double[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_log_sum_groups(&x[0, 0], x.shape[0], &start[0], n_groups, &out[0, 0])
    return result


def categorical(const float[:, ::1] x not None, sizes, seed, purpose, layer, step, rows=0):
    """Sample groups of units whose total input is x: one of each is on."""
    cdef const int32_t[::1] start = _starts(sizes, <int>x.shape[1])
    cdef int n_groups = <int>start.shape[0] - 1
    cdef _Stream stream = _Stream(x.shape[0], seed, purpose, layer, step, rows)
    result = np.empty((x.shape[0], x.shape[1]), np.uint8)
    cdef uint8_t[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_categorical(&x[0, 0], x.shape[0], &start[0], n_groups, &stream.c, &out[0, 0])
    return result


# --- Weights shared by all places of a map ---------------------------------------------------------------


cdef rbmk_convolution _geometry(geometry) except *:
    """Height, width, channels; filter's height and width, filters; top, left; map's height and width."""
    cdef rbmk_convolution c
    (c.height, c.width, c.channels, c.filter_height, c.filter_width, c.n_filters, c.top, c.left, c.map_height,
     c.map_width) = geometry
    if min(geometry[:6]) < 1 or min(geometry[6:8]) < 0 or min(geometry[8:]) < 1:
        raise ValueError(f"a convolution's sizes must be at least 1, got {geometry}")
    if c.height + c.top > c.map_height + c.filter_height or c.width + c.left > c.map_width + c.filter_width:
        raise ValueError(f"a convolution's maps must reach over the whole image, got {geometry}")
    if max(geometry) > 1 << 16 or geometry[0] * geometry[1] * geometry[2] >= 1 << 31:
        raise ValueError(f"a convolution must be smaller than {geometry}")
    if geometry[8] * geometry[9] > 1 << 16 or geometry[8] * geometry[9] * geometry[5] >= 1 << 31:
        raise ValueError(f"a convolution must have at most {1 << 16} places, got {geometry}")
    return c


cdef rbmk_pools _pools(pools, Py_ssize_t n_units) except *:
    """Height, width, filters; and the side of a block."""
    cdef rbmk_pools p
    p.height, p.width, p.n_filters, p.pool = pools
    if min(pools) < 1 or pools[0] * pools[1] * pools[2] != n_units:
        raise ValueError(f"a map must have {n_units} units, got {pools}")
    if pools[0] % pools[3] or pools[1] % pools[3]:
        raise ValueError(f"a map must be made of whole blocks, got {pools}")
    return p


def convolve(geometry, const int32_t[::1] q not None, int exponent, const uint8_t[:, ::1] states not None, bias,
             bint up=True):
    """Total inputs of maps from 0/1 images (up), or of images from 0/1 maps."""
    cdef rbmk_convolution c = _geometry(geometry)
    cdef int64_t image = <int64_t>c.height * c.width * c.channels
    cdef int64_t map_ = <int64_t>c.map_height * c.map_width * c.n_filters
    cdef int64_t n = states.shape[0]
    cdef const float[::1] b = _vector(bias, map_ if up else image, "bias")
    cdef rbmk_status status
    if states.shape[1] != (image if up else map_):
        raise ValueError(f"states must have {image if up else map_} columns, got {states.shape[1]}")
    cdef int64_t row = <int64_t>c.filter_width * c.channels
    row = row if up else (row + 15) // 16 * 16
    if q.shape[0] != c.filter_height * row * c.n_filters:
        raise ValueError(f"q must have {c.filter_height * row * c.n_filters} numbers, got {q.shape[0]}")
    _check_exponent(exponent)
    result = np.empty((n, map_ if up else image), np.float32)
    cdef float[:, ::1] out = result
    if n:
        with nogil:
            status = rbmk_convolve(&c, up, &states[0, 0], n, &q[0], exponent, &b[0], &out[0, 0])
        _check(status)
    return result


def convolve_pairs(geometry, const uint8_t[:, ::1] images not None, const uint16_t[:, ::1] levels not None):
    """Sums over rows and places of pixel * level, like q on the way up; and of levels (n_filters,)."""
    cdef rbmk_convolution c = _geometry(geometry)
    cdef rbmk_status status
    cdef int64_t n = images.shape[0]
    if images.shape[1] != <int64_t>c.height * c.width * c.channels:
        raise ValueError(f"images must have {c.height * c.width * c.channels} columns, got {images.shape[1]}")
    if levels.shape[0] != n or levels.shape[1] != <int64_t>c.map_height * c.map_width * c.n_filters:
        raise ValueError(f"levels must be those of {n} maps, got {(levels.shape[0], levels.shape[1])}")
    result = np.zeros(c.filter_height * c.filter_width * c.channels * c.n_filters, np.int64)
    level_sums = np.zeros(c.n_filters, np.int64)
    cdef int64_t[::1] out = result
    cdef int64_t[::1] level_out = level_sums
    if n:
        with nogil:
            status = rbmk_convolve_pairs(&c, &images[0, 0], &levels[0, 0], n, &out[0], &level_out[0])
        _check(status)
    return result, level_sums


def pool_means(const float[:, ::1] x not None, pools):
    """Probabilities of units in blocks of which at most one is on."""
    cdef rbmk_pools p = _pools(pools, x.shape[1])
    result = np.empty((x.shape[0], x.shape[1]), np.float32)
    cdef float[:, ::1] out = result
    cdef rbmk_status status
    if result.size:
        with nogil:
            status = rbmk_pool_means(&p, &x[0, 0], x.shape[0], &out[0, 0], NULL)
        _check(status)
    return result


def pool_levels(const float[:, ::1] x not None, pools):
    """The same in units of 1/65535."""
    cdef rbmk_pools p = _pools(pools, x.shape[1])
    result = np.empty((x.shape[0], x.shape[1]), np.uint16)
    cdef uint16_t[:, ::1] out = result
    cdef rbmk_status status
    if result.size:
        with nogil:
            status = rbmk_pool_means(&p, &x[0, 0], x.shape[0], NULL, &out[0, 0])
        _check(status)
    return result


def pool_log_sums(const float[:, ::1] x not None, pools):
    """Logarithm of each block's summed exponentials, with that of none: float64 (n_rows, n_blocks)."""
    cdef rbmk_pools p = _pools(pools, x.shape[1])
    result = np.empty((x.shape[0], x.shape[1] // (p.pool * p.pool)), np.float64)
    cdef double[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_pool_log_sums(&p, &x[0, 0], x.shape[0], &out[0, 0])
    return result


def pool_draw(const float[:, ::1] x not None, pools, seed, purpose, layer, step, rows=0):
    """Sample units in blocks of which at most one is on."""
    cdef rbmk_pools p = _pools(pools, x.shape[1])
    cdef _Stream stream = _Stream(x.shape[0], seed, purpose, layer, step, rows)
    result = np.empty((x.shape[0], x.shape[1]), np.uint8)
    cdef uint8_t[:, ::1] out = result
    cdef rbmk_status status
    if result.size:
        with nogil:
            status = rbmk_pool_draw(&p, &x[0, 0], x.shape[0], &stream.c, &out[0, 0])
        _check(status)
    return result


# --- Sums over classes -----------------------------------------------------------------------------------


cdef _check_classes(const float[:, ::1] x, const float[:, ::1] U):
    if U.shape[0] < 1 or U.shape[1] < 1:
        raise ValueError("U must not be empty")
    if x.shape[1] != U.shape[1]:
        raise ValueError(f"x must have the {U.shape[1]} columns of U, got {x.shape[1]}")


def class_log_weights(const float[:, ::1] x not None, const float[:, ::1] U not None, d):
    """d_k + the summed softplus of x + U_k, for each row and class."""
    _check_classes(x, U)
    cdef const float[::1] d_view = _vector(d, U.shape[0], "d")
    result = np.empty((x.shape[0], U.shape[0]), np.float64)
    cdef double[:, ::1] out = result
    if x.shape[0]:
        with nogil:
            rbmk_class_log_weights(&x[0, 0], x.shape[0], <int>x.shape[1], &U[0, 0], &d_view[0], <int>U.shape[0],
                                   &out[0, 0])
    return result


def class_expectations(const float[:, ::1] x not None, const float[:, ::1] U not None,
                       const float[:, ::1] p not None):
    """Terms p_k * sigmoid(x + U_k), summed over classes and over rows, in units of 1/65535."""
    _check_classes(x, U)
    if p.shape[0] != x.shape[0] or p.shape[1] != U.shape[0]:
        raise ValueError(f"p must have the shape {(x.shape[0], U.shape[0])}, got {(p.shape[0], p.shape[1])}")
    probabilities = np.asarray(p)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("p must lie in [0, 1]")
    mean = np.empty((x.shape[0], x.shape[1]), np.uint16)
    sums = np.zeros((U.shape[0], U.shape[1]), np.int64)
    cdef uint16_t[:, ::1] mean_view = mean
    cdef int64_t[:, ::1] sums_view = sums
    if x.shape[0]:
        with nogil:
            rbmk_class_expectations(&x[0, 0], x.shape[0], <int>x.shape[1], &U[0, 0], &p[0, 0], <int>U.shape[0],
                                    &mean_view[0, 0], &sums_view[0, 0])
    return mean, sums


# --- Sites of the visible layer --------------------------------------------------------------------------


def log_conditionals(const float[:, ::1] x not None, const float[:, ::1] W not None, a, states, sites, sizes=None):
    """Log-probabilities of some sites given all the others, summed: float64 (n_rows,)."""
    if W.shape[0] < 1 or W.shape[1] < 1:
        raise ValueError("W must not be empty")
    cdef Rows rows = _states(states, <int>W.shape[0])
    cdef const float[::1] a_view = _vector(a, W.shape[0], "a")
    cdef const int32_t[::1] start = None if sizes is None else _starts(sizes, <int>W.shape[0])
    cdef const int32_t *start_data = NULL if sizes is None else &start[0]
    cdef Py_ssize_t n_sites = W.shape[0] if sizes is None else start.shape[0] - 1
    if x.shape[0] != rows.states.n or x.shape[1] != W.shape[1]:
        raise ValueError(f"x must have the shape {(rows.states.n, W.shape[1])}, got {(x.shape[0], x.shape[1])}")
    if sizes is not None and rows.states.grey:
        raise TypeError("states of groups must be uint8, got uint16")
    numbers = np.asarray(sites)
    if numbers.ndim != 1 or numbers.dtype != np.int64 or not len(numbers):
        raise ValueError("sites must be a vector of int64, not empty")
    if numbers.min() < 0 or numbers.max() >= n_sites:
        raise ValueError(f"sites must be numbers from 0 to {n_sites - 1}, got {sites}")
    cdef const int32_t[::1] chosen = numbers.astype(np.int32)
    result = np.empty(rows.states.n, np.float64)
    cdef double[::1] out = result
    cdef rbmk_status status
    if rows.states.n == 0:
        return result
    with nogil:
        status = rbmk_log_conditionals(&x[0, 0], <int>x.shape[1], &W[0, 0], &a_view[0], rows.states, start_data,
                                       &chosen[0], <int>chosen.shape[0], &out[0])
    _check(status)
    return result


# --- Sums over all states of a layer -----------------------------------------------------------------------


cdef int64_t _check_sites(sent, sizes, int n_low, int n_options) except -1:
    """How many blocks the states make."""
    if not len(sizes) or sizes.min() < 1 or sizes.sum() != n_options:
        raise ValueError(f"sizes of sites must be at least 1 and make {n_options} options, got {sizes}")
    if n_low < 0 or n_low > len(sizes):
        raise ValueError(f"n_low must be from 0 to {len(sizes)}, got {n_low}")
    numbers = [int(n) for n in sizes]
    n_blocks, n_states = [math.prod(part) for part in (numbers[:len(sizes) - n_low], numbers[len(sizes) - n_low:])]
    if n_blocks >= 2**62 or n_states > 2**20:
        raise ValueError(f"there may be 2**62 blocks of 2**20 states, got {n_blocks} of {n_states}")
    if not np.isfinite(sent).all():
        raise ValueError("sent must be finite")
    starts = np.cumsum(sizes) - sizes
    spans = np.maximum.reduceat(sent, starts) - np.minimum.reduceat(sent, starts)
    largest = spans[len(sizes) - n_low:].sum(axis=0).max()
    if largest > RBMK_LOW_SPAN:
        raise ValueError(f"low sites must send what is at most {RBMK_LOW_SPAN} apart, got {largest:g}")
    return n_blocks


def log_sums(const double[:, ::1] sent not None, const double[::1] log_weight not None, sizes, int n_low,
             const double[::1] bias not None, int64_t first, int64_t n, blocks=None):
    """Logarithms of summed weights of the states of a layer, the other one summed out, in blocks."""
    if sent.shape[1] < 1 or sent.shape[1] != bias.shape[0]:
        raise ValueError(f"sent must have {bias.shape[0]} columns, at least 1, got {sent.shape[1]}")
    if sent.shape[0] != log_weight.shape[0]:
        raise ValueError(f"log_weight must have length {sent.shape[0]}, got {log_weight.shape[0]}")
    sizes = np.asarray(sizes, np.int64)
    cdef int64_t n_blocks = _check_sites(np.asarray(sent), sizes, n_low, <int>sent.shape[0])
    if not (np.isfinite(log_weight).all() and np.isfinite(bias).all()):
        raise ValueError("log_weight and bias must be finite")
    if first < 0 or n < 0 or first > n_blocks - n:
        raise ValueError(f"first and n must be in the {n_blocks} blocks, got {first} and {n}")
    cdef const int32_t[::1] site = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    cdef _Layer layer = _Layer(blocks, <int>sent.shape[1])
    cdef rbmk_enumeration e = rbmk_enumeration(<int>len(sizes), n_low, <int>sent.shape[1], &site[0], &sent[0, 0],
                                               &log_weight[0], &bias[0], layer.c)
    cdef rbmk_status status
    result = np.empty(n, np.float64)
    cdef double[::1] out = result
    if n:
        with nogil:
            status = rbmk_log_sums(&e, first, n, &out[0])
        _check(status)
    return result


def log_sum_exp(const double[::1] x not None):
    """Log of the summed exp(x), of at least one finite number."""
    if not x.shape[0] or not np.isfinite(x).all():
        raise ValueError("x must be finite numbers, at least one")
    cdef double result
    with nogil:
        result = rbmk_log_sum_exp(&x[0], x.shape[0])
    return result


# --- Random numbers --------------------------------------------------------------------------------------


def philox4x32(const uint32_t[:, ::1] counter not None, const uint32_t[:, ::1] key not None):
    """Philox4x32-10 of (n, 4) counters under (n, 2) keys."""
    result = np.empty((counter.shape[0], 4), np.uint32)
    cdef uint32_t[:, ::1] out = result
    cdef Py_ssize_t i
    if counter.shape[1] != 4 or key.shape[1] != 2 or key.shape[0] != counter.shape[0]:
        raise ValueError("counter must be (n, 4) and key (n, 2)")
    for i in range(counter.shape[0]):
        rbmk_philox4x32(&counter[i, 0], &key[i, 0], &out[i, 0])
    return result


def uniform_u32(int64_t n_rows, int n_units, seed, purpose, layer, step, rows=0):
    """The 32-bit uniforms of the units of some rows at one half-step."""
    cdef _Stream stream = _Stream(n_rows, seed, purpose, layer, step, rows)
    result = np.empty((n_rows, n_units), np.uint32)
    cdef uint32_t[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_uniform_u32(n_rows, n_units, &stream.c, &out[0, 0])
    return result


def shuffle_keys(int64_t n, uint64_t seed, uint32_t epoch, uint32_t purpose):
    """A 64-bit key for each of n rows."""
    result = np.empty(n, np.uint64)
    cdef uint64_t[::1] out = result
    if n:
        with nogil:
            rbmk_shuffle_keys(n, seed, epoch, purpose, &out[0])
    return result


def argsort(const uint64_t[::1] keys):
    """The stable order of random keys."""
    cdef rbmk_status status
    result = np.empty(keys.shape[0], np.int64)
    cdef int64_t[::1] order = result
    if keys.shape[0]:
        with nogil:
            status = rbmk_argsort(&keys[0], keys.shape[0], &order[0])
        _check(status)
    return result


def normal_weights(int64_t n_rows, int n_columns, double scale, uint64_t seed, uint32_t purpose, uint32_t layer):
    """Nearly normal numbers of standard deviation `scale`."""
    result = np.empty((n_rows, n_columns), np.float32)
    cdef float[:, ::1] out = result
    if result.size:
        with nogil:
            rbmk_normal_weights(n_rows, n_columns, scale, seed, purpose, layer, &out[0, 0])
    return result


# --- Learning --------------------------------------------------------------------------------------------


cdef rbmk_samples _samples(states, const uint16_t[:, ::1] hidden, int n_visible, int n_hidden, str name) except *:
    """View of one phase; the caller keeps both arrays alive."""
    cdef rbmk_samples samples
    if hidden is None:
        raise TypeError(f"the probabilities of {name} must be a uint16 array, got None")
    samples.visible = _states(states, n_visible, real=True).states
    if not 1 <= samples.visible.n <= RBMK_MAX_BATCH:
        raise ValueError(f"{name} must have 1 to {RBMK_MAX_BATCH} rows, got {samples.visible.n}")
    if hidden.shape[0] != samples.visible.n or hidden.shape[1] != n_hidden:
        raise ValueError(f"the probabilities of {name} must have the shape {(samples.visible.n, n_hidden)}, got "
                         f"{(hidden.shape[0], hidden.shape[1])}")
    samples.hidden = &hidden[0, 0]
    return samples


cdef const double *_row_weights(const double[::1] weights, Py_ssize_t n) except? NULL:
    """Those of n rows; NULL where there are none."""
    cdef Py_ssize_t i
    if weights is None:
        return NULL
    if weights.shape[0] != n:
        raise ValueError(f"weights must have length {n}, got {weights.shape[0]}")
    for i in range(n):
        if not 0 <= weights[i] < float("inf"):
            raise ValueError(f"weights must be finite and at least 0, got {weights[i]}")
    return &weights[0]


def contrast(data, samples, const double[::1] weights=None, bint paired=False):
    """The gradient from (states, hidden_u16) of the data and of the model's samples.

    Weights multiply the data's rows, and, if `paired`, the rows of the samples, too; else these have the mean weight.
    """
    from rbmfast.state import Gradient

    v_data, p_data = data
    v_model, p_model = samples
    _, n_visible = v_data.shape
    _, n_hidden = p_data.shape
    if n_visible < 1 or n_hidden < 1:
        raise ValueError("states and probabilities must have at least one column")
    if isinstance(v_data, Steps) != isinstance(v_model, Steps):
        raise TypeError("either both phases or none must have real-valued states")
    if isinstance(v_data, Steps) and weights is not None:
        raise ValueError("real-valued states must come without weights")
    if not isinstance(v_data, Steps) and v_data.dtype == np.uint8 and v_model.dtype == np.uint16:
        v_data = v_data * np.uint16(RBMK_GREY)
    cdef rbmk_samples c_data = _samples(v_data, p_data, n_visible, n_hidden, "data")
    cdef rbmk_samples c_model = _samples(v_model, p_model, n_visible, n_hidden, "samples")
    cdef int v = n_visible, h = n_hidden
    W = np.empty((n_visible, n_hidden), np.float32)
    a, visible_mean = np.empty(n_visible, np.float32), np.empty(n_visible, np.float32)
    b, hidden_mean = np.empty(n_hidden, np.float32), np.empty(n_hidden, np.float32)
    cdef float[:, ::1] W_view = W
    cdef float[::1] a_view = a
    cdef float[::1] b_view = b
    cdef float[::1] visible_view = visible_mean
    cdef float[::1] hidden_view = hidden_mean
    cdef const double *c_weights = _row_weights(weights, c_data.visible.n)
    cdef rbmk_status status
    if paired and c_model.visible.n != c_data.visible.n:
        raise ValueError(f"paired samples must have {c_data.visible.n} rows, got {c_model.visible.n}")
    with nogil:
        status = rbmk_contrast(&c_data, &c_model, c_weights, paired, v, h, &W_view[0, 0], &a_view[0], &b_view[0],
                               &visible_view[0], &hidden_view[0])
    _check(status)
    return Gradient(W, a, b, visible_mean, hidden_mean)


cdef class _Model:
    """C view of a LearningState; keeps its arrays alive."""

    cdef rbmk_learning c
    cdef object arrays

    def __init__(self, state):
        cdef float[:, ::1] W = state.W
        cdef float[:, ::1] W_velocity = state.W_velocity
        if W is None or W_velocity is None:
            raise TypeError("W and W_velocity must be float32 arrays, got None")
        if W.shape[0] < 1 or W.shape[1] < 1:
            raise ValueError("W must not be empty")
        _check_exponent(state.exponent)
        self.c.n_visible = <int>W.shape[0]
        self.c.n_hidden = <int>W.shape[1]
        if W_velocity.shape[0] != W.shape[0] or W_velocity.shape[1] != W.shape[1]:
            raise ValueError("W_velocity must have the shape of W")
        self.c.W = &W[0, 0]
        self.c.W_velocity = &W_velocity[0, 0]
        self.c.a = self._data(state.a, self.c.n_visible, "a")
        self.c.a_velocity = self._data(state.a_velocity, self.c.n_visible, "a_velocity")
        self.c.visible_offset = self._data(state.visible_offset, self.c.n_visible, "visible_offset")
        self.c.b = self._data(state.b, self.c.n_hidden, "b")
        self.c.b_velocity = self._data(state.b_velocity, self.c.n_hidden, "b_velocity")
        self.c.hidden_offset = self._data(state.hidden_offset, self.c.n_hidden, "hidden_offset")
        self.c.activity = self._data(state.activity, self.c.n_hidden, "activity")
        self.c.exponent = state.exponent
        self.arrays = state

    cdef float *_data(self, array, Py_ssize_t length, str name) except NULL:
        cdef float[::1] view = array
        if view is None:
            raise TypeError(f"{name} must be a float32 array, got None")
        if view.shape[0] != length:
            raise ValueError(f"{name} must have length {length}, got {view.shape[0]}")
        return &view[0]


cdef rbmk_settings _settings(settings) except *:
    cdef rbmk_settings c
    c.l1 = settings.l1
    c.l2 = settings.l2
    c.max_norm = settings.max_norm
    c.offset_rate = settings.offset_rate
    c.sparsity_target = settings.sparsity_target
    c.sparsity_cost = settings.sparsity_cost
    c.sparsity_decay = settings.sparsity_decay
    c.centered = settings.centered
    return c


cdef _diverged(rbmk_status status, where):
    if status == RBMK_NOT_FINITE or status == RBMK_TOO_LARGE:
        raise FloatingPointError(f"the parameters diverged at {where}; a lower learning rate may help")
    _check(status)


def update(state, grad, settings, float rate, float momentum):
    """One step uphill, in place; then the exponent drops if the new weights need it."""
    cdef _Model model = _Model(state)
    cdef rbmk_settings c_settings = _settings(settings)
    cdef rbmk_gradient g
    cdef const float[:, ::1] W = grad.W
    cdef int n_visible = model.c.n_visible, n_hidden = model.c.n_hidden
    cdef const float[::1] a = _vector(grad.a, n_visible, "gradient a")
    cdef const float[::1] b = _vector(grad.b, n_hidden, "gradient b")
    cdef const float[::1] visible_mean = _vector(grad.visible_mean, n_visible, "visible_mean")
    cdef const float[::1] hidden_mean = _vector(grad.hidden_mean, n_hidden, "hidden_mean")
    cdef rbmk_status status
    if W.shape[0] != n_visible or W.shape[1] != n_hidden:
        raise ValueError("gradient W must have the shape of W")
    g.W = &W[0, 0]
    g.a = &a[0]
    g.b = &b[0]
    g.visible_mean = &visible_mean[0]
    g.hidden_mean = &hidden_mean[0]
    with nogil:
        status = rbmk_update(&model.c, &g, &c_settings, rate, momentum)
    state.exponent = model.c.exponent
    _diverged(status, "this update")


cdef class _Signals:
    """Runs Python's signal handlers between passes and keeps what they raise."""

    cdef object error


cdef int _interrupted(void *context) noexcept nogil:
    with gil:
        try:
            PyErr_CheckSignals()
        except BaseException as error:
            (<_Signals>context).error = error
            return 1
    return 0


cdef class _Missing:
    """C view of `rbmfast.state.Missing`, for an epoch of n rows; keeps its arrays alive."""

    cdef rbmk_missing c
    cdef const uint8_t[:, ::1] entries
    cdef const int64_t[::1] chains
    cdef uint8_t[:, ::1] hidden
    cdef _Stream stream

    def __init__(self, missing, shape, Py_ssize_t n, int n_hidden, seed, layer, step):
        cdef Py_ssize_t i
        self.entries = missing.entries.view(np.uint8)
        if (self.entries.shape[0], self.entries.shape[1]) != shape:
            raise ValueError(f"entries of missing must be bytes of the shape {shape}, got {missing.entries.shape}")
        self.c.entries = &self.entries[0, 0]
        self.c.chains = NULL
        if missing.chains is None:
            return
        self.chains, self.hidden = missing.chains, missing.hidden
        self.stream = _Stream(n, seed, missing.purpose, layer, step, missing.rows)
        if self.chains.shape[0] != n or self.stream.c.rows == NULL:
            raise ValueError(f"chains and rows of missing must have length {n}")
        if self.hidden is None or self.hidden.shape[1] != n_hidden:
            raise ValueError(f"hidden of missing must have {n_hidden} columns")
        for i in range(n):
            if not -1 <= self.chains[i] < self.hidden.shape[0]:
                last = self.hidden.shape[0] - 1
                raise IndexError(f"chains of missing must lie in -1 to {last}, got {self.chains[i]}")
        self.c.chains = &self.chains[0]
        self.c.hidden = &self.hidden[0, 0] if self.hidden.shape[0] else NULL
        self.c.begin = missing.begin
        self.c.stream = self.stream.c


cdef class _Rung:
    """C view of `rbmfast.state.Rung`; keeps its arrays alive."""

    cdef rbmk_rung c
    cdef Weights weights
    cdef const float[::1] a, b
    cdef uint8_t[:, ::1] samples
    cdef double[::1] log_weights

    def __init__(self, rung, int n_visible, int n_hidden, Py_ssize_t n_chains):
        self.weights, self.samples, self.log_weights = rung.weights, rung.samples, rung.log_weights
        self.a, self.b = _vector(rung.a, n_visible, "a of rung"), _vector(rung.b, n_hidden, "b of rung")
        if (self.weights.c.n_visible, self.weights.c.n_hidden) != (n_visible, n_hidden):
            raise ValueError(f"weights of rung must be ({n_visible}, {n_hidden})")
        if self.samples.shape[1] != n_visible or not 1 <= n_chains <= self.samples.shape[0]:
            raise ValueError(f"samples of rung must have {n_visible} columns, and a row for each chain")
        if self.log_weights.shape[0] != self.samples.shape[0]:
            raise ValueError(f"log_weights of rung must have length {self.samples.shape[0]}")
        self.c = rbmk_rung(&self.weights.c, &self.a[0], &self.b[0], &self.samples[0, 0], &self.log_weights[0],
                           self.samples.shape[0], rung.acceptance[0], rung.least)


cdef class _Fast:
    """C view of `rbmfast.state.Fast`; keeps its arrays alive."""

    cdef rbmk_fast c
    cdef float[:, ::1] W
    cdef float[::1] a, b

    def __init__(self, fast, int n_visible, int n_hidden):
        self.W, self.a, self.b = fast.W, fast.a, fast.b
        if self.W is None or (self.W.shape[0], self.W.shape[1]) != (n_visible, n_hidden):
            raise ValueError(f"W of fast must be ({n_visible}, {n_hidden})")
        if self.a is None or self.b is None or (self.a.shape[0], self.b.shape[0]) != (n_visible, n_hidden):
            raise ValueError(f"a and b of fast must have length {n_visible} and {n_hidden}")
        self.c = rbmk_fast(&self.W[0, 0], &self.a[0], &self.b[0], fast.rate, fast.decay)


def climb(Weights weights not None, a, b, rung not None, float[:, ::1] x not None, double[::1] here not None, hidden,
          int64_t steps, seed, purpose, layer=0, first_step=0, int64_t first_chain=0, blocks=(None, None)):
    """Steps of chains of a model that stands still, and exchanges with samples of the rung; all in place.

    `x` and `here` are the samples': total inputs of hidden units, and log-weights. Returns the chains' visible
    states, and the same of these; and their log-weights in the rung.
    """
    cdef int n_visible = weights.c.n_visible, n_hidden = weights.c.n_hidden
    cdef uint8_t[:, ::1] chains = hidden
    cdef Py_ssize_t n = chains.shape[0]
    cdef _Rung earlier = _Rung(rung, n_visible, n_hidden, n)
    cdef const float[::1] a_view = _vector(a, n_visible, "a"), b_view = _vector(b, n_hidden, "b")
    cdef _Stream stream = _Stream(n, seed, purpose, layer, first_step, first_chain)
    cdef _Layer v_layer = _Layer(blocks[0], n_visible), h_layer = _Layer(blocks[1], n_hidden)
    cdef rbmk_layers layers = rbmk_layers(v_layer.c, h_layer.c)
    cdef rbmk_status status
    if chains.shape[1] != n_hidden:
        raise ValueError(f"hidden must have {n_hidden} columns, got {chains.shape[1]}")
    if x.shape[0] != earlier.c.n or x.shape[1] != n_hidden or here.shape[0] != earlier.c.n:
        raise ValueError(f"x and here must have {earlier.c.n} rows, x of {n_hidden}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    v, inputs = np.empty((n, n_visible), np.uint8), np.empty((n, n_hidden), np.float32)
    own, there = np.empty(n), np.empty(n)
    cdef uint8_t[:, ::1] v_view = v
    cdef float[:, ::1] inputs_view = inputs
    cdef double[::1] own_view = own, there_view = there
    cdef rbmk_weighed samples = rbmk_weighed(earlier.c.samples, &x[0, 0], &here[0], earlier.c.log_weights)
    cdef rbmk_weighed moved = rbmk_weighed(&v_view[0, 0], &inputs_view[0, 0], &own_view[0], &there_view[0])
    with nogil:
        status = rbmk_climb(&weights.c, &a_view[0], &b_view[0], &earlier.c, samples, moved, &chains[0, 0], n, steps,
                            stream.c, &layers)
    _check(status)
    return v, inputs, own, there


def epoch(state, settings, X, const int64_t[::1] order not None, const int64_t[::1] row_ids not None, int batch_size,
          int k, chains, const float[::1] rates not None, const float[::1] momenta not None, seed, purpose, layer,
          first_step, const double[::1] weights=None, blocks=(None, None), missing=None, rung=None,
          fast=None):
    """Learn from rows X[order] in batches, by CD-k (chains is None) or PCD-k; returns the updates made.

    Weights are those of the rows, in this order; chains that start at rows have them, too. What is missing in X (a
    `rbmfast.state.Missing`) is drawn by chains of the rows, which are advanced in place, or absent.

    Real-valued rows (float32) end it before an update in which a state does not lie in [-16, 16); all is then as that
    update would have found it. They have no weights, and nothing is missing.

    With a `rbmfast.state.Rung` the chains change places with its samples, and the epoch ends before an update where
    too few of late were accepted. With a `rbmfast.state.Fast` they follow the sums of its parameters and the model's.

    Ctrl-C is answered between passes: the parameters are those after the last complete update. A weight that stops
    being finite raises FloatingPointError and leaves `state` unusable.
    """
    cdef _Model model = _Model(state)
    cdef rbmk_settings c_settings = _settings(settings)
    cdef bint real = X.dtype == np.float32
    cdef Rows rows = _numbers(X, model.c.n_visible) if real else _states(X, model.c.n_visible)
    cdef _Stream stream = _Stream(order.shape[0], seed, purpose, layer, first_step, 0)
    cdef _Signals signals = _Signals()
    cdef _Layer v_layer = _Layer(blocks[0], model.c.n_visible), h_layer = _Layer(blocks[1], model.c.n_hidden)
    cdef _Missing holes
    cdef _Rung earlier
    cdef _Fast quick
    cdef rbmk_epoch_plan plan
    cdef uint8_t[:, ::1] chain_view = chains
    cdef int64_t done = 0, updates, i
    cdef rbmk_status status
    if order.shape[0] == 0:
        return 0
    if batch_size < 1 or k < 1:
        raise ValueError("batch_size and k must be at least 1")
    updates = (order.shape[0] + batch_size - 1) // batch_size
    if row_ids.shape[0] != order.shape[0]:
        raise ValueError("row_ids must be as long as order")
    if rates.shape[0] < updates or momenta.shape[0] < updates:
        raise ValueError(f"rates and momenta must have length {updates}")
    if min(batch_size, order.shape[0]) > RBMK_MAX_BATCH:
        raise ValueError(f"batch_size must be at most {RBMK_MAX_BATCH}, got {batch_size}")
    for i in range(order.shape[0]):
        if order[i] < 0 or order[i] >= rows.states.n:
            raise IndexError(f"order must lie in 0 to {rows.states.n - 1}, got {order[i]}")
    if real and (weights is not None or missing is not None):
        raise ValueError("real-valued rows must come without weights and missing entries")
    plan.data = rows.states
    plan.order = &order[0]
    plan.row_ids = &row_ids[0]
    plan.weights = _row_weights(weights, order.shape[0])
    plan.n = order.shape[0]
    plan.batch_size = batch_size
    plan.k = k
    plan.chains = NULL
    plan.n_chains = 0
    if chains is not None:
        if chain_view.shape[1] != model.c.n_hidden or not 1 <= chain_view.shape[0] <= RBMK_MAX_BATCH:
            raise ValueError(f"chains must have {model.c.n_hidden} columns and 1 to {RBMK_MAX_BATCH} rows")
        plan.chains = &chain_view[0, 0]
        plan.n_chains = <int>chain_view.shape[0]
    plan.missing = NULL
    if missing is not None:
        holes = _Missing(missing, X.shape, order.shape[0], model.c.n_hidden, seed, layer, first_step)
        plan.missing = &holes.c
        if chains is not None and holes.c.chains == NULL:
            raise ValueError("chains must be None where units are absent")
    plan.rung = NULL
    if rung is not None:
        if real:
            raise ValueError("rung must be None for real-valued rows")
        earlier = _Rung(rung, model.c.n_visible, model.c.n_hidden, plan.n_chains)
        plan.rung = &earlier.c
    plan.fast = NULL
    if fast is not None:
        if chains is None or rung is not None:
            raise ValueError("fast must come with chains, and without a rung")
        quick = _Fast(fast, model.c.n_visible, model.c.n_hidden)
        plan.fast = &quick.c
    plan.rates = &rates[0]
    plan.momenta = &momenta[0]
    plan.stream = stream.c
    plan.interrupted = _interrupted
    plan.context = <void *>signals
    plan.layers = rbmk_layers(v_layer.c, h_layer.c)
    with nogil:
        status = rbmk_epoch(&model.c, &c_settings, &plan, &done)
    state.exponent = model.c.exponent
    if rung is not None:
        rung.acceptance[0] = earlier.c.acceptance
    if signals.error is not None:
        raise signals.error
    _diverged(status, f"update {done + 1} of this epoch")
    return done


# --- Networks --------------------------------------------------------------------------------------------


cdef _check_layer(float[:, ::1] x, other, str name):
    if other.shape[0] != x.shape[0] or other.shape[1] != x.shape[1]:
        raise ValueError(f"{name} must have shape ({x.shape[0]}, {x.shape[1]}), got {other.shape}")


def add_bias_sigmoid(float[:, ::1] x not None, bias):
    """In place: sigmoid(x + bias)."""
    cdef const float[::1] b = _vector(bias, x.shape[1], "bias")
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_add_bias_sigmoid(&x[0, 0], x.shape[0], <int>x.shape[1], &b[0])


def softmax(float[:, ::1] x not None, bias):
    """In place: the softmax of every row of x + bias."""
    cdef const float[::1] b = _vector(bias, x.shape[1], "bias")
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_softmax(&x[0, 0], x.shape[0], <int>x.shape[1], &b[0])


def drop(float[:, ::1] x not None, double rate, seed, purpose, layer, step, rows, float[:, ::1] sent not None,
         float[:, ::1] factor not None):
    """Dropout: each unit is kept with probability 1 - rate, and then scaled up."""
    cdef _Stream stream = _Stream(x.shape[0], seed, purpose, layer, step, rows)
    _check_layer(x, sent, "sent")
    _check_layer(x, factor, "factor")
    if not 0 <= rate < 1:
        raise ValueError(f"rate must be at least 0 and below 1, got {rate}")
    cdef uint32_t threshold = <uint32_t>(rate * 4294967296.0)
    cdef float scale = <float>(1.0 / (1.0 - rate))
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_drop(&x[0, 0], x.shape[0], <int>x.shape[1], threshold, scale, &stream.c, &sent[0, 0], &factor[0, 0])


def backward(float[:, ::1] delta not None, h=None, factor=None):
    """In place: delta times the slope of the sigmoid, and times the factors of dropout."""
    cdef const float[:, ::1] h_view = h
    cdef const float[:, ::1] factor_view = factor
    cdef const float *h_data = NULL
    cdef const float *factor_data = NULL
    if h is not None:
        _check_layer(delta, h, "h")
    if factor is not None:
        _check_layer(delta, factor, "factor")
    if delta.shape[0] == 0 or delta.shape[1] == 0:
        return
    if h is not None:
        h_data = &h_view[0, 0]
    if factor is not None:
        factor_data = &factor_view[0, 0]
    with nogil:
        rbmk_backward(&delta[0, 0], delta.shape[0], <int>delta.shape[1], h_data, factor_data)


def softmax_cross_entropy(float[:, ::1] x not None, bias, const int64_t[::1] labels not None):
    """In place: the gradient of the cross-entropies by x + bias; returns these, and which rows are wrong."""
    cdef const float[::1] b = _vector(bias, x.shape[1], "bias")
    cdef Py_ssize_t i
    if labels.shape[0] != x.shape[0]:
        raise ValueError(f"labels must have length {x.shape[0]}, got {labels.shape[0]}")
    for i in range(labels.shape[0]):
        if labels[i] < 0 or labels[i] >= x.shape[1]:
            raise IndexError(f"labels must lie in 0 to {x.shape[1] - 1}, got {labels[i]}")
    loss = np.zeros(x.shape[0], np.float64)
    wrong = np.zeros(x.shape[0], np.uint8)
    cdef double[::1] loss_view = loss
    cdef uint8_t[::1] wrong_view = wrong
    if x.shape[0]:
        with nogil:
            rbmk_softmax_cross_entropy(&x[0, 0], x.shape[0], <int>x.shape[1], &b[0], &labels[0], &loss_view[0],
                                       &wrong_view[0])
    return loss, wrong


def sigmoid_cross_entropy(float[:, ::1] x not None, bias, const float[:, ::1] targets not None):
    """In place: the gradient of the cross-entropies by x + bias; returns these."""
    cdef const float[::1] b = _vector(bias, x.shape[1], "bias")
    _check_layer(x, targets, "targets")
    loss = np.zeros(x.shape[0], np.float64)
    cdef double[::1] loss_view = loss
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_sigmoid_cross_entropy(&x[0, 0], x.shape[0], <int>x.shape[1], &b[0], &targets[0, 0], &loss_view[0])
    return loss


def squared_error(float[:, ::1] x not None, bias, const float[:, ::1] targets not None):
    """In place: the gradient of half the squared errors by x + bias; returns these."""
    cdef const float[::1] b = _vector(bias, x.shape[1], "bias")
    _check_layer(x, targets, "targets")
    loss = np.zeros(x.shape[0], np.float64)
    cdef double[::1] loss_view = loss
    if x.shape[0] and x.shape[1]:
        with nogil:
            rbmk_squared_error(&x[0, 0], x.shape[0], <int>x.shape[1], &b[0], &targets[0, 0], &loss_view[0])
    return loss


cdef float *_flat_parameters(array, Py_ssize_t size, str name) except? NULL:
    """Elements of a C-contiguous float32 array that the caller keeps alive."""
    cdef float[::1] view
    if array.dtype != np.float32 or not array.flags.c_contiguous:
        raise TypeError(f"{name} must be a C-contiguous float32 array")
    if array.size != size:
        raise ValueError(f"{name} must have {size} elements, got {array.size}")
    view = array.reshape(-1)
    return &view[0] if size else NULL


def momentum_step(value, velocity, gradient, float scale, float rate, float momentum, float decay):
    """One step downhill with momentum, in place."""
    cdef rbmk_momentum step
    step.n = value.size
    step.value = _flat_parameters(value, step.n, "value")
    step.velocity = _flat_parameters(velocity, step.n, "velocity")
    step.gradient = _flat_parameters(gradient, step.n, "gradient")
    step.scale = scale
    step.rate = rate
    step.momentum = momentum
    step.decay = decay
    with nogil:
        rbmk_momentum_step(&step)


def adam_step(value, mean, square, gradient, float scale, double rate, double beta1, double beta2, float epsilon,
              float decay, double beta1_power, double beta2_power):
    """One step of Adam, in place."""
    cdef rbmk_adam step
    step.n = value.size
    step.value = _flat_parameters(value, step.n, "value")
    step.mean = _flat_parameters(mean, step.n, "mean")
    step.square = _flat_parameters(square, step.n, "square")
    step.gradient = _flat_parameters(gradient, step.n, "gradient")
    step.scale = scale
    step.decay = decay
    step.rate = <float>(rate / (1.0 - beta1_power))
    step.keep_mean = <float>beta1
    step.add_mean = <float>(1.0 - beta1)
    step.keep_square = <float>beta2
    step.add_square = <float>(1.0 - beta2)
    step.square_scale = <float>(1.0 / (1.0 - beta2_power))
    step.epsilon = epsilon
    with nogil:
        rbmk_adam_step(&step)


if os.environ.get("RBMFAST_ISA"):
    try:
        select_isa(os.environ["RBMFAST_ISA"].strip().lower())
    except ValueError as error:
        raise ImportError(f"RBMFAST_ISA: {error}") from None
rbmk_isa_current()


# --- For other modules -----------------------------------------------------------------------------------
# Functions of C live inside this extension module, where no linker finds them; those of Cython are exported.


cdef extern from "rbmk.h" nogil:
    int c_get_num_threads "rbmk_get_num_threads"()
    void c_set_num_threads "rbmk_set_num_threads"(int)
    rbmk_status c_weights_create "rbmk_weights_create"(rbmk_weights *, const float *, int, int, int)
    void c_weights_free "rbmk_weights_free"(rbmk_weights *)
    rbmk_status c_pass "rbmk_pass"(const rbmk_weights *, int, rbmk_states, const float *, rbmk_outputs,
                                   const rbmk_stream *)
    rbmk_status c_gibbs "rbmk_gibbs"(const rbmk_weights *, const float *, const float *, uint8_t *, uint8_t *,
                                     int64_t, int64_t, rbmk_stream, const uint8_t *, const rbmk_layers *)
    void c_sigmoid "rbmk_sigmoid"(const float *, int64_t, float *)
    void c_softplus "rbmk_softplus"(const float *, int64_t, float *)
    void c_weighted_sum "rbmk_weighted_sum"(rbmk_states, int, const float *, double *)


cdef int rbmk_get_num_threads() noexcept nogil:
    return c_get_num_threads()


cdef void rbmk_set_num_threads(int n) noexcept nogil:
    c_set_num_threads(n)


cdef rbmk_status rbmk_weights_create(rbmk_weights *w, const float *W, int n_visible, int n_hidden,
                                     int max_exponent) noexcept nogil:
    return c_weights_create(w, W, n_visible, n_hidden, max_exponent)


cdef void rbmk_weights_free(rbmk_weights *w) noexcept nogil:
    c_weights_free(w)


cdef rbmk_status rbmk_pass(const rbmk_weights *w, int up, rbmk_states states, const float *bias, rbmk_outputs out,
                           const rbmk_stream *stream) noexcept nogil:
    return c_pass(w, up, states, bias, out, stream)


cdef rbmk_status rbmk_gibbs(const rbmk_weights *w, const float *a, const float *b, uint8_t *visible, uint8_t *hidden,
                            int64_t n, int64_t steps, rbmk_stream stream, const uint8_t *clamp) noexcept nogil:
    return c_gibbs(w, a, b, visible, hidden, n, steps, stream, clamp, NULL)


cdef void rbmk_sigmoid(const float *x, int64_t n, float *p) noexcept nogil:
    c_sigmoid(x, n, p)


cdef void rbmk_softplus(const float *x, int64_t n, float *y) noexcept nogil:
    c_softplus(x, n, y)


cdef void rbmk_weighted_sum(rbmk_states states, int m, const float *weights, double *sum) noexcept nogil:
    c_weighted_sum(states, m, weights, sum)
