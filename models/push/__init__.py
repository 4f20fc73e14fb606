"""Push: where devices are reached, what each should show, and what came of it."""
