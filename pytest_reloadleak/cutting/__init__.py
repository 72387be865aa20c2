"""Remove what holds old generations, on trial: one reference, or one effect. Only in a process of the check's own."""
