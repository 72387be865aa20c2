"""List the settings of the process that a target may change: of the interpreter, the system, libraries, hosts."""
