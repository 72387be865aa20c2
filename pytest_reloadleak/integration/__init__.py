"""Translate pytest's options, items, marks and reports to checks and back; judge nothing."""
