"""What pytest and its plugins keep of a program's objects: noise, which is told from leaks and named.

What they keep as text just as well is flattened (`release`), and what a test's body replaced is put back at the end of
each round (`a_round`). What must stay as it is until the test is over is recognised (`keepers`): a
note says who keeps what. `table.KEEPERS` lists them all. No plugin is imported for it: one that is not loaded keeps
nothing.
"""
