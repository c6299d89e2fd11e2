"""Everything that a method is made of: players, losses, rewards, credit, and the schedule of whose step it is."""
