"""The benchmark server that calibration measures against."""
