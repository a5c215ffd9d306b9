"""The commands of `qianda`, a file for each noun. `hub.__main__` puts them together."""
