"""Everything that a method is made of: players, losses, rewards, credit, and the program of whose step it is."""
