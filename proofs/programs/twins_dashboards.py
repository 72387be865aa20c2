"""Data apps that leak."""

from __future__ import annotations

from twins import Twins

SCRIPT = """
import hub
import panel as pn

def on_event():
    pass

def ended(context):
    {undo}

hub.listeners.append(on_event)
pn.state.on_session_destroyed(ended)
pn.Column("# Lamp").servable()
"""
STATE = """
import streamlit as st

class Lamp:
    pass

def main():
    st.session_state.setdefault("lamps", []).append(Lamp())
    {undo}
"""

DASHBOARDS = {
    "Panel, a list": Twins(
        preset="Panel",
        needs="panel",
        source=SCRIPT,
        path="hub.listeners[*]",
        line=11,
        cure="hub.listeners",
    ),
    "Streamlit, a session": Twins(
        preset="Streamlit",
        needs="streamlit",
        source=STATE,
        path="app.",
        line=8,
        cure="del st.session_state",
        by_hand="del st.session_state['lamps']",
    ),
}
