"""What people look at instead of the film: it is drawn from the plan alone, without any model."""
