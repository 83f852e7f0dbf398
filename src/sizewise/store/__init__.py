"""The only SQL: studies, trials, measurements; append-only migrations."""
