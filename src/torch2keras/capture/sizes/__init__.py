"""What may differ from call to call: the sizes that stay dynamic, and those that are lost."""
