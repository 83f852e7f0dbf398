"""The embedded family of small real models: its recipe and its reader."""
