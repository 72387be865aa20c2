"""Where plugins listen."""

listeners = []
