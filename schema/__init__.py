"""What clients see: types, inputs, unions, scalars, paging, context. No SQL and no Valkey."""
