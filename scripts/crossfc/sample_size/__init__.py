"""How many people a trial needs, by the tests that crossfc makes of it."""
