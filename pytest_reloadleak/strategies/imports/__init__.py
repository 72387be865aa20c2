"""Tools for the import system that strategies share, and no strategy."""
