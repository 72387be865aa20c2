"""Observe what the operating system counts, but close, end and join none of it."""
