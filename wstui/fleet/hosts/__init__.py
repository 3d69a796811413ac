"""Load hosts: how they are reached, queried and led."""
