"""Find what piles up without belonging to a generation, and whether the target's own code puts it there."""
