"""Evidence that others measured, read into our records."""
