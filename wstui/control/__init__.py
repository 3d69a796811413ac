"""The socket of a run: served by the process that runs it, spoken by attach, ctl and the Python client."""
