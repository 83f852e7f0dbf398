"""Task packs: one file a pack. Procedural, seeded, unlimited, levels 0 to 4, train and test items disjoint."""
