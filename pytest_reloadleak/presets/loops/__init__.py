"""Run what event loops, schedulers and task queues are given."""
