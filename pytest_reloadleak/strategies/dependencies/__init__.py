"""Find which modules depend on which and which are first-party, without reloading any."""
