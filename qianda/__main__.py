"""Run the command `qianda` with `python -m qianda`."""

from qianda.cli import main

if __name__ == "__main__":
    main()
