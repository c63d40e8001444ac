"""Numbers over time: keys and easings, formulas, noise, and what a rate adds up to."""
