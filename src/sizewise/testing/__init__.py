"""Contract tests that plugin authors inherit, and the servers they run against."""
