"""Procedural skills: small questions with checkable answers, made by seeded generators.

The shipped ladder is trained on the training items of these skills and the task packs ask the test items; an
item's text decides which it is (`draw.held_out`). Not covered here: scoring (the task room's scorers) and
anything a real language model would need beyond a bare prompt.
"""

from sizewise.tasks.skills.catalog import MAX_ANSWER_TOKENS, SKILLS, draws, load, names

__all__ = ["MAX_ANSWER_TOKENS", "SKILLS", "draws", "load", "names"]
