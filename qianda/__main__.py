"""Run the command `qianda` with `python -m qianda`."""

import sys

if not sys.flags.safe_path:
    # Python puts the working folder first, where a stranger's file may lie beside a stranger's `argparse.py`.
    del sys.path[0]

from qianda.cli import main

if __name__ == "__main__":
    main()
