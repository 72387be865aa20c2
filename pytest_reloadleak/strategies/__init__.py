"""Reload targets, with one strategy per file: the only code that writes `sys.modules`. It judges nothing."""
