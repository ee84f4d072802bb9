"""Episodes: clips stitched into something that people watch."""
