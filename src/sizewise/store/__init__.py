"""The only SQL: studies, trials, measurements, verdicts; append-only migrations.

One SQLite file (WAL), one writer a study. A finished trial is never changed; everything else can be computed
again from the trials. Does not cover: deciding which trials are missing (the race does), files of models.
"""
