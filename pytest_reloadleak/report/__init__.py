"""Renderers: pure functions of the report."""
