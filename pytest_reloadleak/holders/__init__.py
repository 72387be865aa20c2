"""Who keeps old generations alive, with the way from a root, and no judgement of it."""
