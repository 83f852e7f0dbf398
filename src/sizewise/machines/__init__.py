"""WHERE it would run: detection per vendor, calibration, the device catalog."""
