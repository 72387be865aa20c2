"""Execute modules again as notebooks and their reloaders do."""
