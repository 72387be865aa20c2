"""What pytest sees of a check: items, marked tests, the fixture, reports. Translation only."""
