"""Mathematics: arrays in, arrays out. Nothing here has heard of a scenario."""
