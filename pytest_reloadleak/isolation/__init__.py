"""One check in a process of its own, with canaries that prove that checks work there, and nothing of pytest."""
