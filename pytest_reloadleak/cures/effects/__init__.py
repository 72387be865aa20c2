"""Write the cures of what still runs, is open or is registered after a reload."""
