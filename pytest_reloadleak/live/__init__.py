"""Tell which old generations are alive while a program reloads by itself: `watch_process`."""
