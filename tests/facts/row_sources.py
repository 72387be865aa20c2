"""What the tests of the rows 1 to 28 share: a clean module, and names of strategies."""

IN_PROCESS = ("reload", "decache", "reimport", "cascade")
"""Strategies under which the target keeps its name in this process."""
SINGLE = IN_PROCESS[:3]
"""The strategies that reload only the target."""
ACT = "import host\nTOKEN = host.token()\nhost.ran.append(__name__)\n\ndef act():\n    return TOKEN\n"
"""A clean module with a function, and thus with a namespace in a circle of references."""
