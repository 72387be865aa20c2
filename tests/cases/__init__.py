"""Twins for each kind of edge, as data (`edges.py`), and what runs one of them (`run.py`)."""
