"""Turn what a search for holders found into values that hold no object."""
