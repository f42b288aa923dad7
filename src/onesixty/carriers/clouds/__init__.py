"""SMS of the clouds: AWS, Azure."""
