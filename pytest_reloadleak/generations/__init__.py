"""Which generation each object belongs to, and nothing about who keeps it alive."""
