"""Access to the process's objects, and nothing that knows a target."""
