"""Find pending work on event loops, but run and close none of them."""
