"""The probes for entries in process-wide registries, and nothing that removes an entry."""
