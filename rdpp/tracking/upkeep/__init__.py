"""What a person does with a store now and then: sends what waits, removes leftovers, exchanges results."""
