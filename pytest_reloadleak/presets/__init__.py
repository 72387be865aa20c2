"""Reload plugins as their hosts do: one file a host, by public means only."""
