"""Everybody beside everybody: the rows of `rbmfast bench`, with scikit-learn and PyTorch as further columns.

    python benchmarks/compare_peers.py [what `rbmfast bench` takes]

Those that are not installed are left out. One more row: what scikit-learn's `score_samples` estimates.
"""

from __future__ import annotations

import argparse

from peers import NOTES, PACKAGES, PEERS, WORKLOADS

from rbmfast.cli import bench
from rbmfast.cli.options import CommandError


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    bench.add_arguments(parser)
    try:
        bench.compare(parser.parse_args(), PEERS, WORKLOADS, PACKAGES, NOTES)
    except CommandError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
