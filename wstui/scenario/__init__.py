"""What to run: the scenario file, its model, and where presets are found. Opens no sockets."""
