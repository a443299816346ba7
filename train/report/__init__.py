"""What is shown of it: the page, its plots, the codes made visible and audible, the README's tables."""
