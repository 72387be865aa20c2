"""The strategy `worker`, whose generations each live in a process, and nothing about isolated checks."""
