"""What a reload leaves in the process that is not a plain reference: one probe per file. Probes never judge."""
