"""Find what a reload leaves running, open or registered. Probes observe and never judge."""
