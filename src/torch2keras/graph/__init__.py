"""The typed graph of ATen ops: its data, its import from torch.export, its symbolic sizes, its interpreter."""
