"""The report page served live, on this machine."""
