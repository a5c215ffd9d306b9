"""Run the command `qianda` by `python -m qianda`."""

from qianda.cli import main

if __name__ == "__main__":
    main()
