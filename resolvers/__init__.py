"""What clients ask and do: Query and Mutation fields, one file a noun."""
