"""Pure statistics: intervals, paired tests, anytime-valid sequences. Has never heard of a language model."""
