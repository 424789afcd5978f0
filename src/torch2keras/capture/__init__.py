"""nn.Module -> ExportedProgram, and its graph without modes, in-place ops and copies."""
