"""Judge what a search for holders found, and turn it into values that hold no object."""
