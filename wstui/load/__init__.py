"""How one process makes load: thousands of clients on one loop. Touches no files, no screen, no wall-clock policy."""
