"""Which module depends on which, and which are first-party, without reloading any."""
