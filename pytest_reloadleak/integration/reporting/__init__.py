"""Collect what a session checked, compare it with the baseline, and write the reports at its end."""
