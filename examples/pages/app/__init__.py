"""A small application, of which one module takes its settings once and for all."""
