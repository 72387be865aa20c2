"""Handle noise: the program's objects that pytest and its plugins keep, which are no leaks.

`release` turns into text what may as well be kept as text. `undoing_patches` undoes at the end of each round what a
test's body patched. `keepers` recognises what must stay until the test ends, and a note names each keeper.
`table.KEEPERS` lists all keepers. No plugin is imported for this: a plugin that is not loaded keeps nothing.
"""
