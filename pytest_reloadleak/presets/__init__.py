"""Reload plugins as their hosts do: one file a host, by public means only, in one folder for each family of hosts."""
