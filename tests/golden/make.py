"""Writes stream_v<N>.json: digests of small runs, whose bits no later version may change unnoticed.

    python tests/golden/make.py

Run it after raising `STREAM_VERSION` in rbmfast/reference/numbers.py, which every deliberate change of bits
demands, and commit the new file; CHANGELOG.md should say what changed. A file that exists is never changed:
delete it by hand if its version was not released yet.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from golden import runs

from rbmfast.reference import STREAM_VERSION

FILE = Path(__file__).resolve().with_name(f"stream_v{STREAM_VERSION}.json")


def main() -> None:
    content = {"stream_version": STREAM_VERSION, "sha256": runs.digests()}
    if FILE.exists():
        same = json.loads(FILE.read_text()) == content
        sys.exit(0 if same else f"{FILE} exists and says otherwise: raise STREAM_VERSION")
    FILE.write_text(json.dumps(content, indent=2) + "\n")
    print(f"wrote {FILE}")


if __name__ == "__main__":
    main()
