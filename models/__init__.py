"""What is true: tables, rules and SQL. No GraphQL and no Valkey."""
