"""HTTP in front of the orders: requests in, answers out."""
