"""The recipe: predict, prune, race, load, decide. The only room that both runs work and writes trials.

Does not cover: deciding what to ask next (race), judging answers (tasks), talking to engines (runtimes).
"""
