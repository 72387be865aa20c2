"""What a reload leaves running, open or registered: probes that observe and never judge."""
