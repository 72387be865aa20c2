"""Render reports as text, by pure functions that compute no verdict."""
