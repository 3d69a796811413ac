"""Measurements that take minutes and depend on the machine: `python -m tests.bench` lists them."""
