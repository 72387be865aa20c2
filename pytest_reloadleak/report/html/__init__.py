"""Show a session as one self-contained page, which needs no server and no other file."""
