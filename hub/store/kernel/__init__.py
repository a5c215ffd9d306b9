"""Connection, statements, cipher, keys, files, jobs: what every repository stands on."""
