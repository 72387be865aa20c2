"""How to reload: one strategy per file. The only writers of `sys.modules`."""
