"""What keeps workers going: jobs, periodic tasks, heartbeats, and figures for operators."""
