"""The pytest side, which translates options, items, marks and reports, and decides no verdict."""
