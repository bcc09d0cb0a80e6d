"""What people see of the figures: plots and pages."""
