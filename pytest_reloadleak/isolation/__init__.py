"""Run one check in its own process, without pytest, with canaries that prove that checks work there."""
