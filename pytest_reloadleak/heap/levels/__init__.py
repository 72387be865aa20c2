"""Expand the levels of a sweep: in C where the extension was built, else in Python, with the same result."""
