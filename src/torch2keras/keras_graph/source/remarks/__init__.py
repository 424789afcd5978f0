"""What generated code says beside its calls: where it comes from, shapes, and why."""
