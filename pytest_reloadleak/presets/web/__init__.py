"""Use modules of web applications as a server does."""
