"""The probes for what the operating system counts, and nothing that closes, ends or joins it."""
