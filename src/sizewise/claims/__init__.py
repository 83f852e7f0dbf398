"""The reality checks: each claim about size, what would refute it, and the evidence."""
