"""From an nn.Module to an ExportedProgram, and its graph without modes, in-place ops and copies."""
