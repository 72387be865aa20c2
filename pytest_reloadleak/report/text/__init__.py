"""Lay a report out for people: the key fact of a finding, its block of lines, where lines wrap, what to fix first."""
