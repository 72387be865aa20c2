"""Perform one run, from taking the state of the process to putting it back, without a verdict."""
