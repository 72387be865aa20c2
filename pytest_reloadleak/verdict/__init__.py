"""Turn observations into findings and an outcome, by pure functions that touch no object of the program."""
