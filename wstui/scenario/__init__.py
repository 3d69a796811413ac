"""The scenario file, its model, and where presets are found. Opens no sockets."""
