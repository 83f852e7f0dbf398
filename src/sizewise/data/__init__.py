"""Facts that ship with sizewise; SOURCES.md says where each comes from."""
