"""Show a session as one page that needs nothing else: no host, no other file."""
