"""What one types: a module for each verb."""
