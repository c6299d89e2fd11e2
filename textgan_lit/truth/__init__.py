"""The exact divergence of a generator from data whose distribution is known, and checks on held-out sentences."""
