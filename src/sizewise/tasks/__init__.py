"""WHAT good means (plug): your own JSONL or CSV, task packs, scorers, judge, the sandbox for generated code."""
