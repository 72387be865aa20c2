"""Name the words between the parent and a worker, or a server of workers. With a server they exchange lines."""

DOUBTFUL = "is_doubtful"
"""In an answer: whether something was left out because other programs on the machine do the same. No report has it."""

FILES = "files"
"""In a job: whether the answer must have the project's files that the check loaded. No report has them."""

READY = b"ready"
"""The server can fork workers."""
UNFIT = b"unfit"
"""It cannot; the reason follows."""
STARTED = b"started"
"""A worker has been forked; its process id follows."""
REFUSED = b"refused"
"""The system refused to fork; the reason follows."""
ENDED = b"ended"
"""The worker has ended; its status follows."""
REAP = b"reap"
"""From the parent: forget the worker that has ended. Until then no other process gets its process id.

Any other request is the path of a job.
"""

CANNOT_ANSWER = 83
"""Exit status of a worker that could not write its answer; no other program is known to use it."""
CANNOT_START = 84
"""Exit status of a fork that could not be made like a fresh interpreter."""
