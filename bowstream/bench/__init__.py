"""What the method costs on a machine."""
