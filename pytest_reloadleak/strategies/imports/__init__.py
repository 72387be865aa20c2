"""Work on the import system for all strategies; this folder has no strategy."""
