"""Record which generation each object belongs to, but not what keeps it alive."""
