"""Service level objectives: what is promised, what is left of the budget, and when somebody must be told."""
