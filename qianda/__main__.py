"""`python -m qianda` is the command `qianda`."""

from qianda.cli import main

if __name__ == "__main__":
    main()
