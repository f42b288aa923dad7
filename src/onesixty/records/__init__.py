"""What is on file: accounts, keys, carriers, routes, endpoints, events; one file per subject."""
