"""Check data apps: scripts of Panel, modules of Streamlit."""
