"""Find entries left in process-wide registries; never remove one."""
