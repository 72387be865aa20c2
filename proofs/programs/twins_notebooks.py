"""What IPython reloads."""

from twins import Twins

EVENT = """
def on_cell(result):
    pass

def load_ipython_extension(shell):
    shell.events.register("post_run_cell", on_cell)

def unload_ipython_extension(shell):
    {undo}
"""
MAGICS = """
from IPython.core import magic

@magic.magics_class
class Weather(magic.Magics):
    @magic.line_magic
    def weather(self, line):
        pass

def load_ipython_extension(shell):
    shell.register_magics(Weather)

def unload_ipython_extension(shell):
    {undo}
"""
TRANSFORMER = """
def change(lines):
    return lines

def load_ipython_extension(shell):
    shell.input_transformers_post.append(change)

def unload_ipython_extension(shell):
    {undo}
"""
FORMATTER = """
class Weather:
    pass

def shown(weather):
    return "sunny"

def load_ipython_extension(shell):
    shell.display_formatter.formatters["text/html"].for_type(Weather, shown)

def unload_ipython_extension(shell):
    {undo}
"""
SCRIPT = """
import hub

def on_event():
    pass

def __reload_dispose__(data):
    {undo}

if __name__ == "__main__":
    hub.listeners.append(on_event)
"""


def _extension(source, path, line, cure):
    return Twins(preset="IPython", needs="IPython", source=source, path=path, line=line, cure=cure)


NOTEBOOKS = {
    "IPython, an event": _extension(
        EVENT,
        "shell.events.callbacks['post_run_cell'][*]",
        6,
        "shell.events.unregister('post_run_cell', on_cell)",
    ),
    "IPython, magics": _extension(MAGICS, "shell.configurables[*]", 11, "shell.configurables[:]"),
    "IPython, a transformer": _extension(
        TRANSFORMER, "shell._trait_values['input", 6, "shell.input_transformers_post.remove(change)"
    ),
    "IPython, a formatter": _extension(
        FORMATTER, "shell._trait_values['display", 9, ".type_printers.pop(Weather, None)"
    ),
    "IPython, a script": Twins(
        preset="%run",
        needs="IPython",
        source=SCRIPT,
        path="hub.listeners[*]",
        line=11,
        cure="hub.listeners",
        is_found=False,
    ),
}
