"""The store of runs: SQLite, its writer and retention."""
