"""The sandbox: a child without rights for each file."""
