"""Decide which findings a team accepts: ignores, expectations, baseline. Pure functions of a report, without pytest."""
