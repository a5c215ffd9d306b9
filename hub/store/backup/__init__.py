"""One encrypted file with everything that a hub needs to run elsewhere: database, files, keys, configuration."""
