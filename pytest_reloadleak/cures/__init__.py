"""Write the Python that undoes a leak, in the names of the user's program, for the dispose hook of the target."""
