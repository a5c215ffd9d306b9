"""What all repositories use: connections, statements, cipher, keys, files, jobs, periodic tasks, heartbeats."""
