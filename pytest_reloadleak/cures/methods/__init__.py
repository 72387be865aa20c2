"""Find the method of a holder that undoes what the target registered with another one."""
