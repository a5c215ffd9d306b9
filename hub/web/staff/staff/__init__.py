"""Pages of the console about accounts, the board, staff tasks, alerts, phone changes, and acts on many contracts."""
