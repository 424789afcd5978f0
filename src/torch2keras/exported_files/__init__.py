"""Programs that `torch.export.save` has written, read without running anything of theirs."""
