"""Pure decisions: stdlib only, explicit times, seeded chance."""
