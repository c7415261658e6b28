"""The running product between collectors and screens: ticks, remembers, answers."""
