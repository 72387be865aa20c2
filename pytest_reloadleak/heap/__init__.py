"""The heap: who is alive, born in which round, held by whom. The only users of `gc`."""
