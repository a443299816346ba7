"""What is learned from: clips with their tags as published, what is wrong with them, their features, negatives."""
