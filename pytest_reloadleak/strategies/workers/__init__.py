"""Run each generation in a process: the strategy `worker`. Isolated checks are not here."""
