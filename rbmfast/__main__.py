"""``python -m rbmfast`` is the command ``rbmfast``."""

import sys

from rbmfast.cli import main

if __name__ == "__main__":
    sys.exit(main())
