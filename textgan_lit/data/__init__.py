"""Where sentences come from: oracles with exact densities, and the loaders that deal them."""
