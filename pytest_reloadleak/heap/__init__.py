"""Read the process's objects without knowing anything about targets."""
