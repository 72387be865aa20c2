"""Handle noise: the program's objects that pytest and its plugins keep, which are no leaks.

`release` replaces recorded objects with their text where that is enough. `undoing_patches` undoes at the end of each
round what a test's body patched. `keepers` recognises what must stay until the test ends, and a note names each keeper.
`table.KEEPERS` lists all keepers. This package imports no plugin: a plugin that is not loaded keeps nothing.
"""
