"""Enables `pytester`, which pytest allows only here, and nothing else."""

pytest_plugins = ["pytester"]
