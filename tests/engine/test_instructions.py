"""No instruction of an ISA before the CPU was asked: reads the machine code of the built extension.

A function that uses AVX, AVX-512 or AMX must be reached through the kernel table of its path, and through
nothing else. What starts the extension, asks the CPU, shares rows among threads or talks to Python is plain
x86-64.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from collections import defaultdict
from functools import cache

import pytest

from rbmfast import _engine as engine

pytestmark = [
    pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="reads x86-64 code"),
    pytest.mark.skipif(shutil.which("objdump") is None, reason="needs objdump"),
]

# What each path's functions may use: a CPU that runs the path has these.
LEVELS = {"portable": 0, "avx2": 1, "avx512": 2, "amx": 3}
VEX, EVEX, TILES = (
    re.compile(pattern)
    for pattern in (
        r"^v(?!err|erw)\w+\s|%ymm|^(andn|bextr|bls(i|r|msk)|bzhi|mulx|pdep|pext|rorx|sarx|shlx|shrx|lzcnt|tzcnt)\w?\s",
        r"%zmm|%k[0-7]|%[xy]mm(1[6-9]|2\d|3[01])|\{1to",
        r"%tmm|tilerelease|ldtilecfg|sttilecfg",
    )
)


def objdump(*options: str) -> list[str]:
    result = subprocess.run(
        ["objdump", "--wide", *options, engine.__file__], capture_output=True, text=True, check=True
    )
    return result.stdout.splitlines()


@cache
def functions() -> dict[int, str]:
    """Names by address, of local functions too; a stripped extension has none."""
    found = {}
    for line in objdump("--syms"):
        match = re.match(r"([0-9a-f]+) .{6}F \.text\S*\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)", line)
        if match:
            found[int(match[1], 16)] = match[2]
    return found


@cache
def code() -> tuple[dict[int, int], dict[int, set[int]]]:
    """Of each function: the level of its instructions, and the functions that it calls or points at."""
    names, level, leads_to = functions(), defaultdict(int), defaultdict(set)
    at = 0
    for line in objdump("--disassemble", "--no-show-raw-insn", "--section=.text"):
        match = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
        if not match:
            continue
        address, instruction = int(match[1], 16), match[2]
        if address in names:
            at = address
        for pattern, needed in ((VEX, 1), (EVEX, 2), (TILES, 3)):
            if pattern.search(instruction):
                level[at] = max(level[at], needed)
        for target in re.findall(r"(?:^\w+\s+|# )([0-9a-f]+) <", instruction):
            if int(target, 16) in names and int(target, 16) != at:
                leads_to[at].add(int(target, 16))
    return level, leads_to


@cache
def tables() -> dict[str, set[int]]:
    """The functions in each path's table, which the constant pointer `rbmk_<path>` names."""
    symbols, sizes = {}, {}
    for line in objdump("--syms"):
        match = re.match(r"([0-9a-f]+) .{6}O \S+\s+([0-9a-f]+)\s+(?:\.hidden )?(\S+)", line)
        if match:
            symbols[match[3]] = int(match[1], 16)
            sizes[int(match[1], 16)] = int(match[2], 16)
    pointers = {}
    for line in objdump("--dynamic-reloc"):
        match = re.match(r"([0-9a-f]+) R_X86_64_RELATIVE\s+\*ABS\*\+0x([0-9a-f]+)", line)
        if match:
            pointers[int(match[1], 16)] = int(match[2], 16)
    found: dict[str, set[int]] = {}
    for path in LEVELS:
        table = pointers.get(symbols.get(f"rbmk_{path}", 0), 0)
        found[path] = {to for at, to in pointers.items() if table <= at < table + sizes.get(table, 0)}
    return found


def reached_from(roots: set[int]) -> set[int]:
    _, leads_to = code()
    seen, waiting = set(), list(roots)
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += leads_to[one]
    return seen


def named(addresses: set[int]) -> list[str]:
    return sorted(f"{functions()[address]} ({address:x})" for address in addresses)


@pytest.fixture(autouse=True)
def _with_symbols() -> None:
    if not functions():
        pytest.skip("the extension was stripped")


def test_tables_are_constant_data() -> None:
    """Every built path has its table, full of functions."""
    assert {path for path, kernels in tables().items() if len(kernels) > 20} == {
        *engine.config()["isa_built"]
    }


def test_only_a_path_uses_its_instructions() -> None:
    """Of the build as the project makes it: CFLAGS with -march= ask for another."""
    level, leads_to = code()
    of_paths = set().union(*(reached_from(kernels) for kernels in tables().values()))
    others = {*functions()} - of_paths
    for path, highest in LEVELS.items():
        beyond = {one for one in reached_from(tables()[path]) if level[one] > highest}
        assert not beyond, f"the {path} path reaches {named(beyond)}"
    outside = {one for one in others if level[one]}
    assert not outside, f"not reached through a kernel table: {named(outside)}"
    callers = {one for one in others if any(level[to] for to in leads_to[one])}
    assert not callers, f"reach a path past its table: {named(callers)}"
    assert max(level.values()) == max(LEVELS[path] for path in engine.config()["isa_built"])
