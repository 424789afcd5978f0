"""The typed graph of ATen ops: its data, its import, its symbolic sizes, its interpreter."""
