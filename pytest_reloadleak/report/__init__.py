"""Renderers, which are pure functions from a report to text, and compute no verdict."""
